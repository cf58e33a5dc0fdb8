"""The Fusion Refiner: repairs a label where it lost something, and only there."""
