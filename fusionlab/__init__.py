"""FusionLab: curate pseudo-labels for image fusion, audit them, and train on them.

The package imports nothing heavy by itself; ask for what you need::

    from fusionlab.metrics import measure
    from fusionlab import audit
"""

__version__ = "0.1.0"
