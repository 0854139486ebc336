"""Weights files for this folder's tests."""

from tests.matte_server.weights_files import models_folder, v1_file, v1_state, v2_file, v2_state

__all__ = ["models_folder", "v1_file", "v1_state", "v2_file", "v2_state"]
