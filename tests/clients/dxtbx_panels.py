"""Print, as JSON, where dxtbx finds the panels of files; runs in the interpreter of DIALS.

Usage: python3 dxtbx_panels.py FILE…, each ``.nxs`` or ``.expt``. Lengths in mm, imgCIF axes.
"""

import json
import sys

import dxtbx
from dxtbx.model.experiment_list import ExperimentListFactory


def panels_of(path):
    if path.endswith(".expt"):
        experiment = ExperimentListFactory.from_json_file(path, check_format=False)[0]
        return describe(experiment.detector, experiment.beam, None, None)
    image = dxtbx.load(path)
    return {
        "format": type(image).__name__,
        **describe(
            image.get_detector(), image.get_beam(), image.get_static_mask(), image.get_raw_data(0)
        ),
    }


def describe(detector, beam, masks, data):
    return {
        "wavelength": beam.get_wavelength(),
        "direction": list(beam.get_sample_to_source_direction()),
        "panels": [panel_of(i, panel, masks, data) for i, panel in enumerate(detector)],
        "depth": depth(detector.hierarchy()),
    }


def panel_of(i, panel, masks, data):
    fast, slow = panel.get_pixel_size()
    mask = masks[i] if masks else panel.get_untrusted_rectangle_mask()
    found = {
        "name": panel.get_name(),
        "origin": list(panel.get_origin()),
        "fast": [fast * x for x in panel.get_fast_axis()],
        "slow": [slow * x for x in panel.get_slow_axis()],
        "size": list(panel.get_image_size()),
        # Of the corner of the last pixel, as dxtbx itself goes there.
        "last": list(panel.get_lab_coord(panel.get_image_size_mm())),
        "offset": list(panel.get_raw_image_offset()),
        "masked": sorted(int(k) for k in range(len(mask)) if not mask[k]),
    }
    if data:
        found["first_value"], found["last_value"] = int(data[i][0]), int(data[i][-1])
    return found


def depth(node):
    if node.is_panel():
        return 0
    return 1 + max((depth(child) for child in node), default=0)


if __name__ == "__main__":
    json.dump({path: panels_of(path) for path in sys.argv[1:]}, sys.stdout)
