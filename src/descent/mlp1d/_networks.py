"""The two kinds of network that are compared: by the name in results, the activation, and what readers call it."""

SHAPES = {"relu": "relu", "sigmoid": "sigmoid4"}
FORMULA = {"relu": "ReLU", "sigmoid": "4·sigmoid"}
