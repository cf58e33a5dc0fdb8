"""``python -m fusionlab``, which is also how torchrun starts it."""

from fusionlab.cli import main

main()
