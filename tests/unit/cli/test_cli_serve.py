"""serve: a real process, from `both ports listen` to its end by SIGTERM; and what it logs."""

import io
import json
import logging
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ehmi_ap import cli
from ehmi_ap.cli import logs
from ehmi_ap.config import Log
from ehmi_ap.errors import StoreError
from tests.pair import write_pair


def serve(config: Path, *argv: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "ehmi_ap.cli", "serve", "--config", str(config), *argv]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_listens_until_it_is_told_to_stop(number: signal.Signals, tmp_path: Path) -> None:
    """The process id is in its file while both ports listen; afterwards the file is gone, and the exit code is 0."""
    alpha, _ = write_pair(tmp_path)
    pid_file = tmp_path / "alpha.pid"
    with serve(alpha.config, "--pid-file", str(pid_file)) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        ready = next(said for said in map(json.loads, lines) if said["event"] == "ready")
        assert ready["internal"] == f"http://127.0.0.1:{alpha.internal_port}"
        assert ready["as4"].endswith("/as4")
        assert int(pid_file.read_text()) == process.pid
        process.send_signal(number)
        rest = process.stderr.read()
    assert process.returncode == 0
    assert not pid_file.exists()
    assert [json.loads(line)["event"] for line in rest.splitlines()][-1] == "stopped"


@pytest.mark.slow
def test_a_port_that_is_taken_is_a_finding(tmp_path: Path) -> None:
    alpha, beta = write_pair(tmp_path)
    beta.config.write_text(beta.config.read_text().replace(f"port = {beta.port}\n", f"port = {alpha.port}\n"))
    pid_file = tmp_path / "pid"
    with serve(alpha.config, "--pid-file", str(pid_file)) as first:
        assert first.stderr is not None
        assert any('"event": "ready"' in line for line in iter(first.stderr.readline, ""))
        with serve(beta.config, "--pid-file", str(pid_file)) as second:
            _, said = second.communicate(timeout=30)
        kept = pid_file.exists() and int(pid_file.read_text()) == first.pid
        first.terminate()
        first.communicate(timeout=30)
    assert kept, "the pid file of the one that runs is not the other's to remove"
    assert not pid_file.exists()
    assert second.returncode == 78
    assert f"{alpha.port} cannot be opened" in said
    assert "Traceback" not in said


def test_no_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["serve", "--config", str(tmp_path / "none.toml")]) == 64
    assert "there is no configuration" in capsys.readouterr().err


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What a logger of ours writes as JSON."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonFormatter())
    logger = logging.getLogger("ehmi_ap.test")
    logger.addHandler(handler)
    logger.setLevel("INFO")
    yield stream
    logger.removeHandler(handler)


def test_an_event_is_one_line_with_its_facts(logged: io.StringIO) -> None:
    logging.getLogger("ehmi_ap.test").info("message sent", extra={"message_id": "1@example", "nothing": None})
    line = json.loads(logged.getvalue())
    assert line.pop("time").endswith("+00:00")
    assert line == {"level": "info", "logger": "ehmi_ap.test", "event": "message sent", "message_id": "1@example"}


def test_no_fact_takes_the_place_of_a_key_of_ours(logged: io.StringIO) -> None:
    try:
        raise StoreError("the disk is full")
    except StoreError:
        facts = {"event": "msg-sent", "level": "high", "what": "upkeep"}
        logging.getLogger("ehmi_ap.test").exception("a failure of our own", extra=facts)
    line = json.loads(logged.getvalue())
    assert (line["event"], line["level"], line["what"]) == ("a failure of our own", "error", "the disk is full")
    assert (line["event_"], line["level_"], line["what_"]) == ("msg-sent", "high", "upkeep")


def test_an_unforeseen_failure_tells_its_place_but_not_its_text(logged: io.StringIO) -> None:
    """The text of an error of Python's may quote what it failed on."""
    try:
        try:
            int("2509479989x")
        except ValueError as error:
            raise StoreError("the disk is full") from error
    except StoreError:
        logging.getLogger("ehmi_ap.test").exception("a failure of our own")
    text = logged.getvalue()
    line = json.loads(text)
    assert text.count("\n") == 1
    assert "2509479989" not in text
    assert (line["error"], line["what"]) == ("StoreError", "the disk is full")
    assert line["cause"]["error"] == "ValueError"
    assert line["where"][-1].endswith("test_an_unforeseen_failure_tells_its_place_but_not_its_text")


def test_text_for_people() -> None:
    record = logging.makeLogRecord(
        {"msg": "message sent", "levelname": "INFO", "created": 0.0, "message_id": "1@example"}
    )
    assert logs.TextFormatter().format(record) == (
        '1970-01-01T00:00:00.000+00:00 info    message sent message_id="1@example"'
    )


def test_configure_follows_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    before = logging.root.handlers[:], logging.root.level
    try:
        logs.configure(Log(level="warning", format="text"))
        logging.getLogger("ehmi_ap.test2").info("unheard")
        logging.getLogger("ehmi_ap.test2").warning("heard")
        said = capsys.readouterr().err
    finally:
        logging.root.handlers[:], level = before[0], before[1]
        logging.root.setLevel(level)
    assert "unheard" not in said
    assert said.endswith("heard\n")
