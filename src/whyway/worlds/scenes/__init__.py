"""What is simulated: the town, recorded scenes, CARLA routes, scenario families, OpenSCENARIO files. Each makes a `SimWorld`."""
