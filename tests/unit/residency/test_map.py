"""The map of an environment's data: every row of the report, inside the frame; what may leave, outside of it."""

from pathlib import Path
from xml.etree import ElementTree

from model_packaging.validation import parse
from scaletozero.environment.residency_report import rows_of
from scaletozero.environment.settings import Environment
from scaletozero.residency.map import svg

PICTURE = Path(__file__).resolve().parents[3] / "docs" / "residency.svg"
IMAGE = "444455556666.dkr.ecr.eu-central-1.amazonaws.com/serving:1"
ONE = {"allow": "on-call-mail.endpoint", "reason": "r", "approver": "data protection officer", "expires": "2027-06-30"}
ENVIRONMENT = parse(
    Environment,
    {
        "region": "eu-central-1",
        "residency": {"geography": "eu", "exceptions": [ONE]},
        "artifacts": {"kms_key_arn": "arn:aws:kms:eu-central-1:444455556666:key/1b2c3d4e-5f60-4718-8293-a4b5c6d7e8f9"},
        "kubernetes": {"namespace": "models", "cluster": {"name": "c", "version": "1.34"}},
        "endpoints": {
            "sentences": {"artifact": "a", "image": IMAGE},
            "reports": {"kind": "asynchronous", "artifact": "a", "image": IMAGE, "instance_type": "ml.g5.xlarge"},
            "chat": {"kind": "gpu", "artifact": "a", "image": IMAGE},
        },
    },
    "environment",
)
SVG = "{http://www.w3.org/2000/svg}"


def drawn(environment: Environment, name: str = "prod-eu") -> str:
    assert environment.residency
    return svg(name, environment.residency, rows_of(environment))


def test_every_row_is_drawn_inside_the_frame_and_exceptions_outside() -> None:
    root = ElementTree.fromstring(drawn(ENVIRONMENT))
    texts = {each.text: float(each.attrib["y"]) for each in root.iter(f"{SVG}text")}
    frame = next(each for each in root.iter(f"{SVG}rect") if each.attrib["fill"] == "none")
    bottom = float(frame.attrib["y"]) + float(frame.attrib["height"])
    for row in rows_of(ENVIRONMENT):
        assert texts[row.data] < bottom
        assert texts[row.endpoint or "environment"] < bottom
        assert not row.passes or row.passes in texts
    (leaving,) = (y for text, y in texts.items() if text and text.startswith("on-call-mail.endpoint: may leave"))
    assert leaving > bottom
    width = float(root.attrib["viewBox"].split()[2])
    boxes = [each.attrib for each in root.iter(f"{SVG}rect") if "x" in each.attrib]
    assert all(float(each["x"]) + float(each["width"]) <= width for each in boxes)


def test_names_are_escaped_and_an_environment_without_endpoints_is_drawn() -> None:
    empty = ENVIRONMENT.model_copy(update={"endpoints": {}})
    root = ElementTree.fromstring(drawn(empty, "<&>"))
    assert "Where the data of <&> is" in {each.text for each in root.iter(f"{SVG}text")}


def test_the_picture_of_the_guide_is_current() -> None:
    assert PICTURE.read_text(encoding="utf-8") == drawn(ENVIRONMENT)
