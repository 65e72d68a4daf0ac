"""``python -m harness``: the same as the installed command."""

import sys

from harness.cli import main

sys.exit(main())
