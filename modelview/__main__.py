"""`python -m modelview`."""

import sys

from modelview.cli import main

sys.exit(main())
