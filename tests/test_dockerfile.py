"""What can be known of the Dockerfile without building the image."""

import fnmatch
import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SERVER = tomllib.loads((ROOT / ".streamlit/config.toml").read_text())["server"]


def instructions() -> list[tuple[str, str]]:
    """(keyword, arguments) in order, comments dropped and continued lines joined."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def arguments(keyword: str) -> list[str]:
    return [rest for word, rest in instructions() if word == keyword]


def copied() -> list[str]:
    return [path for rest in arguments("COPY") for path in rest.split()[:-1]]


def environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for rest in arguments("ENV") for pair in rest.split())


def test_every_line_is_an_instruction() -> None:
    known = {"FROM", "RUN", "ARG", "WORKDIR", "COPY", "USER", "VOLUME", "ENV", "EXPOSE", "HEALTHCHECK", "CMD"}
    assert {word for word, _ in instructions()} <= known


@pytest.mark.parametrize("path", copied())
def test_what_is_copied_exists_and_is_sent_to_the_builder(path: str) -> None:
    assert (ROOT / path).exists()
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    ignored = False
    for rule in rules:
        if fnmatch.fnmatchcase(path, rule.removeprefix("!")):
            ignored = not rule.startswith("!")
    assert not ignored


def test_everything_the_app_needs_is_copied() -> None:
    assert {"app.py", "modelview", "pages", ".streamlit", "requirements.txt"} <= set(copied())


def test_the_app_does_not_run_as_root() -> None:
    words = [word for word, _ in instructions()]
    user = arguments("USER")[-1]
    assert user not in {"root", "0"}
    assert any(re.search(rf"useradd\b.*\b{user}\b", command) for command in arguments("RUN"))
    assert words.index("USER") < words.index("CMD")


def test_weights_are_kept_where_the_user_may_write() -> None:
    folder = environment()["TORCH_HOME"]
    assert arguments("VOLUME") == [folder]
    assert any(re.search(rf"install -d -o {arguments('USER')[-1]} {folder}$", command) for command in arguments("RUN"))


def test_the_health_check_asks_where_the_server_listens() -> None:
    port = SERVER["port"]
    assert arguments("EXPOSE") == [str(port)]
    (check,) = arguments("HEALTHCHECK")
    command = json.loads(check.partition("CMD ")[2])
    assert f"'http://127.0.0.1:{port}/_stcore/health'" in command[-1]
    compile(command[-1], "HEALTHCHECK", "exec")


def test_the_server_listens_beyond_the_container_and_only_there() -> None:
    assert environment()["STREAMLIT_SERVER_ADDRESS"] == "0.0.0.0"
    assert SERVER["address"] == "127.0.0.1"


def test_the_command_starts_the_app() -> None:
    assert json.loads(arguments("CMD")[-1]) == ["python", "-m", "streamlit", "run", "app.py"]
