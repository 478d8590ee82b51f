"""Assembly: a geometry becomes a plan, and a plan turns module data into images and back."""

from geomlib.assembly.assemble import assemble_data, output_array
from geomlib.assembly.dismantle import dismantle_image
from geomlib.assembly.image import AssembledImage

__all__ = ["AssembledImage", "assemble_data", "dismantle_image", "output_array"]
