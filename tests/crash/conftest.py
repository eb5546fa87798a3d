"""The crash tests use the end-to-end tests' server."""

import importlib.util
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.append(str(HERE.parent / "e2e"))  # the broker

_spec = importlib.util.spec_from_file_location("e2e_fixtures", HERE.parent / "e2e" / "conftest.py")
_fixtures = importlib.util.module_from_spec(_spec)
sys.modules["e2e_fixtures"] = _fixtures
_spec.loader.exec_module(_fixtures)

pytest_configure = _fixtures.pytest_configure
pytest_runtest_makereport = _fixtures.pytest_runtest_makereport
pytest_sessionstart = _fixtures.pytest_sessionstart
start_server = _fixtures.start_server
server = _fixtures.server
