"""verify_images: files that cannot be read are named."""

from vicinal import verify_images

from .pictures import BROKEN, encoded, noise, write


def test_what_cannot_be_decoded_is_named(tmp_path):
    cut_off = encoded(noise(40, 40))[:600]
    write(tmp_path, a=noise(), b=BROKEN, c=noise(), d=cut_off, e=b"")
    found = verify_images([*sorted(tmp_path.glob("*.png")), tmp_path / "missing.png"])
    assert [file.name for file in found] == ["b.png", "d.png", "e.png", "missing.png"]


def test_names_may_be_text(tmp_path):
    write(tmp_path, a=noise(), b=BROKEN)
    assert [file.name for file in verify_images([f"{tmp_path}/a.png", f"{tmp_path}/b.png"])] == [
        "b.png"
    ]
