"""What the stages share: files of the project, painters of figures, the page, tracking."""
