"""`bedside decode` and `bedside encode`, as people type them."""

import io
import json
import os
import re
import subprocess
import sys
import tty
from pathlib import Path

import pytest

from bedside.decoding.text import bytes_of
from bedside.exits import CommandFailed, Exit
from device_drivers.oximeters.nonin_df8 import DataFrame
from device_drivers.registry import FORMATS
from tests.bedside.command_line import Said, typed
from tests.device_drivers import vectors

PUBLISHED = [vector for vector in vectors.ALL if re.fullmatch(r"V\d+", vector["id"])]
"""Those with which every such decoder is compared; all examples go through the same functions in test_formats.py."""
FRAME = bytes(DataFrame(hr=72, spo2=98))
CUFF = "16 7c 00 56 00 61 00 e8 07 06 0f 11 11 1b 33 00 00 00"


def fed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, data: bytes, *words: object) -> Said:
    """`… | bedside WORDS`."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    return typed(capsys, *words)


def lines(said: Said) -> list[dict]:
    return [json.loads(line) for line in said.out.splitlines()]


@pytest.mark.parametrize("vector", PUBLISHED, ids=vectors.name)
def test_every_published_example_is_decoded_as_its_source_says(capsys, vector):
    said = typed(capsys, "decode", "--protocol", vector["characteristic_or_protocol"], vector["hex"], "--json")
    assert (said.code, said.err) == (Exit.OK, "")
    (fields,) = lines(said)
    if "reject" in vector["expected"]:
        assert list(fields) == ["reject"]
    else:
        expected = json.loads(json.dumps(vector["expected"], default=float))
        assert {name: fields[name] for name in expected} == expected


def without_checksums(fields: dict) -> dict:
    """A checksum over reserved bytes is another once these are zero."""
    return {name: value for name, value in fields.items() if name not in {"crc", "checksum"}}


@pytest.mark.parametrize("vector", PUBLISHED, ids=vectors.name)
def test_encode_is_the_inverse_of_decode(capsys, vector):
    if "reject" in vector["expected"]:
        return
    key = vector["characteristic_or_protocol"]
    first = typed(capsys, "decode", "--protocol", key, vector["hex"], "--json").out
    said = typed(capsys, "encode", "--protocol", key, first)
    assert (said.code, said.err) == (Exit.OK, "")
    again = typed(capsys, "decode", "--protocol", key, said.out, "--json").out
    assert without_checksums(json.loads(again)) == without_checksums(json.loads(first))


@pytest.mark.parametrize(
    "text", [CUFF, CUFF.upper(), CUFF.replace(" ", ""), CUFF.replace(" ", ":"), CUFF.replace(" ", "-")]
)
def test_bytes_may_be_written_as_people_paste_them(text):
    assert bytes_of([text]) == bytes.fromhex(CUFF)
    assert bytes_of(text.split()) == bytes.fromhex(CUFF)
    assert bytes_of(["0x16,", "0x7C,0x0"]) == b"\x16\x7c\x00"


@pytest.mark.parametrize(
    ("text", "said"), [("16 7g", "'g' is no hex"), ("167", "a digit is missing"), ("167 c00", "'167' makes no whole")]
)
def test_what_is_no_bytes_is_said(text, said):
    with pytest.raises(CommandFailed, match=said) as failure:
        bytes_of([text])
    assert failure.value.code == Exit.USAGE


def test_a_value_is_shown_byte_by_byte_with_its_source(capsys):
    said = typed(capsys, "decode", "--protocol", "2a35", *CUFF.split(), "ff")
    assert said.code == Exit.OK
    assert "source: Bluetooth GATT Specification Supplement" in said.out
    rows = [line.split(maxsplit=4) for line in said.out.splitlines()]
    assert ["1-2", "7c", "00", "systolic", "124 mmHg"] in rows
    assert "not of this format; ignored" in said.out


def test_a_value_that_is_refused_is_said_in_one_line(capsys):
    said = typed(capsys, "decode", "--protocol", "2A35", "007800")
    assert said.code == Exit.FAILED
    assert said.err == "bedside: 2A35 refuses these 3 bytes: truncated; at least 5 are needed\n"
    assert lines(typed(capsys, "decode", "--protocol", "2A35", "007800", "--json")) == [{"reject": "truncated"}]


def test_the_list_has_every_format(capsys):
    keys = {line.split()[0] for line in typed(capsys, "decode", "--list").out.splitlines()}
    assert keys == FORMATS.keys()
    assert {line["protocol"] for line in lines(typed(capsys, "decode", "--list", "--json"))} == FORMATS.keys()


def test_a_stream_is_one_line_a_frame_and_one_for_what_is_none(capsys, tmp_path: Path):
    file = tmp_path / "capture.bin"
    file.write_bytes(b"zz" + FRAME + FRAME + b"z" + FRAME + FRAME[:2])
    said = lines(typed(capsys, "decode", "--protocol", "nonin-df8", "--file", file))
    assert [line["offset"] for line in said] == [0, 2, 6, 10, 11, 15]
    assert [line.get("discarded") for line in said] == [2, None, None, 1, None, 2]
    assert [line["spo2"] for line in said if "spo2" in line] == [98, 98, 98]


def test_a_stream_may_come_from_standard_input(capsys, monkeypatch):
    for words in ((), ("--file", "-")):
        said = fed(capsys, monkeypatch, FRAME * 2, "decode", "--protocol", "nonin-df8", *words)
        assert [line["hr"] for line in lines(said)] == [72, 72]


def test_whole_values_come_as_lines_of_hexadecimal_digits(capsys, monkeypatch):
    said = fed(capsys, monkeypatch, f"{CUFF}\n\n0078\n".encode(), "decode", "--protocol", "2A35")
    assert [line.get("systolic", line.get("reject")) for line in lines(said)] == [124, "truncated"]


def test_nothing_of_a_long_stream_is_left_out(capsys, tmp_path: Path):
    file = tmp_path / "capture.bin"
    file.write_bytes(FRAME * 50_000)
    said = typed(capsys, "decode", "--protocol", "nonin-df8", "--file", file)
    assert len(said.out.splitlines()) == 50_000


def test_decoded_streams_can_be_encoded_again(capsys, monkeypatch, tmp_path: Path):
    said = fed(capsys, monkeypatch, b"zz" + FRAME * 2, "decode", "--protocol", "nonin-df8")
    again = fed(capsys, monkeypatch, said.out.encode(), "encode", "--protocol", "nonin-df8")
    assert again.out == f"{FRAME.hex()}\n" * 2


def test_fields_may_be_given_as_pairs(capsys):
    said = typed(capsys, "encode", "--protocol", "2A35", "systolic=120.5", "diastolic=80", "map=NaN", "unit=mmHg")
    assert said.out == "00b5f45000ff07\n"
    assert (
        typed(capsys, "encode", "--protocol", "nonin-df8", "hr=72", "spo2=98", "--json").out == '{"hex": "80486200"}\n'
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["spo2=98"], "the field 'hr' is missing"),
        (["hr=72", "spo2=98", "colour=red"], "there is no field 'colour'"),
        (["hr=72", "spo2=98%"], "spo2: '98%' is no whole number"),
        (["hr=720", "spo2=98"], "hr: 720 is not from 0 to 510"),
        (["hr=511", "spo2=98"], "hr: 511 is not from 0 to 510"),
        (["hr"], "'hr' is no name=value"),
        (["{"], "that is no JSON"),
        (["[1]"], "'[1]' is no name=value"),
    ],
)
def test_what_can_not_be_encoded_is_said_in_one_line(capsys, words, said):
    found = typed(capsys, "encode", "--protocol", "nonin-df8", *words)
    assert found.code == Exit.USAGE
    assert said in found.err
    assert len(found.err.splitlines()) == 1
    assert not found.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--protocol", "2A99", "00"], "there is no format '2A99'"),
        (["00"], "--protocol KEY is needed"),
        (["--protocol", "2A35", "00", "--file", "x"], "either HEX or a file"),
        (["--protocol", "2A35", "--file", "/no/such"], "No such file"),
        (["--protocol", "2A35", "zz"], "no hexadecimal digit"),
        (["--btsnoop", __file__], "is it a btsnoop file?"),
    ],
)
def test_a_wrong_command_says_what_to_do_in_one_line(capsys, words, said):
    found = typed(capsys, "decode", *words)
    assert found.code != Exit.OK
    assert said in found.err
    assert len(found.err.splitlines()) == 1


def running(*words: object) -> "subprocess.Popen[bytes]":
    """The real command, between pipes."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-m", "bedside", *map(str, words)], **pipes)  # type: ignore[call-overload,no-any-return]


def test_a_frame_is_shown_when_it_has_come_though_the_stream_goes_on():
    with running("decode", "--protocol", "nonin-df8") as process:
        process.stdin.write(FRAME)
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["spo2"] == 98
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(30) == Exit.OK


def test_who_has_read_enough_of_the_lines_is_told_nothing_more(tmp_path: Path):
    file = tmp_path / "capture.bin"
    file.write_bytes(FRAME * 50_000)
    with running("decode", "--protocol", "nonin-df8", "--file", file) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(30) == Exit.FAILED
        assert process.stderr.read() == b""


@pytest.mark.slow
@pytest.mark.pure
@pytest.mark.parametrize("vector", vectors.ALL[::20], ids=vectors.name)
def test_the_command_as_it_is_installed_decodes_examples_too(vector):
    key = vector["characteristic_or_protocol"]
    with running("decode", "--protocol", key, vector["hex"], "--json") as process:
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (Exit.OK, b"")
    expected = json.loads(json.dumps(vector["expected"], default=float))
    fields = json.loads(out)
    assert {name: fields[name] for name in expected if name != "reject"} == expected or "reject" in fields


def test_a_value_may_be_pasted_with_the_label_that_a_tool_writes():
    for label in ("(0x) ", "Value: (0x) ", "0x"):
        assert bytes_of([label + "16-7C-00"]) == b"\x16\x7c\x00"


@pytest.mark.parametrize("text", ["16-7C-0", "16 7 00", "7"])
def test_a_digit_that_was_lost_in_copying_is_said(text):
    with pytest.raises(CommandFailed, match="a digit is missing"):
        bytes_of([text])


@pytest.mark.parametrize("name", ["2A35", "2a35", "0x2A35", "00002a35-0000-1000-8000-00805f9b34fb"])
def test_a_format_may_be_named_as_tools_show_it(capsys, name):
    assert lines(typed(capsys, "decode", "--protocol", name, CUFF, "--json"))[0]["systolic"] == 124


def test_who_names_a_driver_is_told_its_formats(capsys):
    said = typed(capsys, "decode", "--protocol", "and-ua651ble", "00")
    assert (said.code, said.err) == (
        Exit.USAGE,
        "bedside: and-ua651ble is a driver; the formats that it reads are 2A35\n",
    )


def test_the_list_is_searched_by_words_of_formats_and_devices(capsys):
    found = typed(capsys, "decode", "--list", "pulse", "oximeter", "nonin").out
    assert "nonin-df8  " in found
    assert "2A35" not in found
    assert typed(capsys, "decode", "--list", "zebra").code == Exit.FAILED


def test_several_frames_are_shown_one_after_the_other(capsys):
    said = typed(capsys, "decode", "--protocol", "nonin-df8", (FRAME + FRAME).hex() + "ff")
    assert said.out.count("source: ") == 2
    assert said.out.count("not of this format") == 1


def test_a_line_that_is_no_hexadecimal_digits_is_said_with_its_number(capsys, monkeypatch):
    said = fed(capsys, monkeypatch, f"# a cuff\n{CUFF} # noon\nzz\n".encode(), "decode", "--protocol", "2A35")
    assert lines(said)[0]["systolic"] == 124
    assert "2A35 is read as lines of hexadecimal digits; line 3: 'z'" in said.err


def test_a_serial_line_may_be_standard_input():
    """It is a terminal, as the one at which somebody types; only that one is waited for in vain."""
    device, line = os.openpty()
    tty.setraw(line)
    with subprocess.Popen(
        [sys.executable, "-m", "bedside", "decode", "--protocol", "nonin-df8"], stdin=line, stdout=subprocess.PIPE
    ) as decoding:
        os.close(line)
        os.write(device, FRAME * 3)
        assert decoding.stdout is not None
        assert json.loads(decoding.stdout.readline())["spo2"] == 98
        os.close(device)
