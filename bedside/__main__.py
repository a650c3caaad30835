"""`python -m bedside` is the command `bedside`."""

from bedside.main import main

raise SystemExit(main())
