"""Weights files for the tests of ``cleanplate models``; small shots for the others."""

from tests.matte_server.shots.conftest import make_shot
from tests.matte_server.weights_files import models_folder, v1_file, v1_state, v2_file, v2_state

__all__ = ["make_shot", "models_folder", "v1_file", "v1_state", "v2_file", "v2_state"]
