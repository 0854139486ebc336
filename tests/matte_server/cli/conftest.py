"""Weights files for the tests of ``cleanplate models``; small shots and one real server for the others."""

from tests.matte_server.shots.conftest import make_shot, server
from tests.matte_server.weights_files import models_folder, v1_file, v1_state, v2_file, v2_state

__all__ = ["make_shot", "models_folder", "server", "v1_file", "v1_state", "v2_file", "v2_state"]
