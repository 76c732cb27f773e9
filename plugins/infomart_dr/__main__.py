"""``python -m infomart_dr``."""

from infomart_dr.cli import main

if __name__ == "__main__":
    main()
