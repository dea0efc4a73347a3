"""The simulator: written for `[W, A]` worlds x agents from the start; the car's own world is a batch of one."""
