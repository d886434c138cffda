"""Files of words in YAML, held against the form that the page needs."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints, TypeAdapter, ValidationError
from ruamel.yaml import YAML, YAMLError

from descent.lab.files import Damaged, read_text
from descent.lab.messages import one_line

PART = r"[a-z0-9_]+"

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Stage = Annotated[str, StringConstraints(pattern=rf"^{PART}@{PART}$")]


class Form(BaseModel):
    """What a file of words may say, and nothing else."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read(path: Path, form: Any) -> Any:
    """What a file says, as this type has it.

    Raises:
        Damaged: it is not of this form; names the file and the place.
    """
    try:
        return TypeAdapter(form).validate_python(YAML(typ="safe").load(read_text(path)))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        raise Damaged(f"{path.name}: {place}: {first['msg']}") from None
    except (YAMLError, OSError, ValueError) as error:
        raise Damaged(f"{path.name}: cannot be read: {one_line(error)}") from None
