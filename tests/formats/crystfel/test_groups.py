from geomlib.formats.crystfel.acceptance import VERSIONS, rejections
from geomlib.formats.crystfel.document import Document
from geomlib.formats.crystfel.groups import MAX_LINE, group_lines, hierarchy


def members(tree, name):
    """All panels below a group."""
    below = dict(tree)
    out = []
    for member in below[name]:
        out += members(tree, member) if member in below else [member]
    return out


def test_modules_then_quadrants_then_all():
    panels = [f"p{m}a{t}" for m in range(4) for t in range(2)]
    groups = {
        "q0": panels[:4],
        "q1": panels[4:],
        **{f"p{m}": panels[2 * m : 2 * m + 2] for m in range(4)},
    }
    tree = hierarchy(groups, panels)
    assert tree[-3:] == [("q0", ["p0", "p1"]), ("q1", ["p2", "p3"]), ("all", ["q0", "q1"])]
    lines = group_lines(groups, panels)
    assert "rigid_group_q1 = p2a0,p2a1,p3a0,p3a1" in lines
    assert "rigid_group_collection_quadrants = q0,q1" in lines
    assert "rigid_group_collection_modules = p0,p1,p2,p3" in lines


def test_no_group_has_more_than_64_members():
    panels = [f"t{i}" for i in range(200)]
    tree = hierarchy({}, panels)
    assert max(len(inside) for _, inside in tree) <= 64
    assert members(tree, "all") == panels
    assert tree[-1][0] == "all"


def test_overlapping_groups_do_not_enter_the_tree():
    panels = list("abcdef")
    tree = hierarchy({"left": list("abc"), "middle": list("cd"), "whole": panels}, panels)
    assert [name for name, _ in tree] == ["middle", "all"]
    assert sorted(members(tree, "all")) == panels
    lines = group_lines({"left": list("abc"), "middle": list("cd")}, panels)
    assert "rigid_group_left = a,b,c" in lines
    assert not any("collection" in line for line in lines)


def test_names_that_are_taken_or_illegal():
    panels = ["all", "p0", "p1", "p2"]
    tree = hierarchy({"p0": ["p0", "p1"], "my group=1": ["all", "p2"]}, panels)
    names = [name for name, _ in tree]
    assert len(set(names) | set(panels)) == len(names) + len(panels)
    assert "my_group_1" in names
    lines = group_lines({"collection_a": ["p0", "p1"]}, panels)
    assert "rigid_group_group_collection_a = p0,p1" in lines


def test_too_many_panels_for_crystfel():
    panels = [f"t{i}" for i in range(600)]
    assert hierarchy({"half": panels[:300]}, panels) == []


def test_lines_that_old_versions_would_cut():
    panels = [f"panel_number_{i}" for i in range(100)]
    lines = group_lines({"half": panels[:90], "few": panels[90:]}, panels)
    rigid = [line for line in lines if line.startswith("rigid")]
    assert [line.partition(" =")[0] for line in rigid] == ["rigid_group_few"]
    assert max(map(len, rigid)) <= MAX_LINE
    assert any("half" in line and line.startswith(";") for line in lines)


def test_every_version_understands_them():
    panels = [f"p{m}a{t}" for m in range(16) for t in range(16)]
    groups = {f"p{m}": panels[16 * m : 16 * m + 16] for m in range(16)}
    lines = group_lines(groups, panels)
    text = "\n".join(
        [
            "clen = 1\nphoton_energy = 9000\nadu_per_eV = 1\nres = 5000",
            *lines,
            *(
                f"{p}/min_fs = 0\n{p}/max_fs = 1\n{p}/min_ss = 0\n{p}/max_ss = 1\n{p}/fs = x\n"
                f"{p}/ss = y\n{p}/corner_x = 0\n{p}/corner_y = 0"
                for p in panels
            ),
        ]
    )
    for version in VERSIONS:
        assert rejections(Document(text), version) == []
