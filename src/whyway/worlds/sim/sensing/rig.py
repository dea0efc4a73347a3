"""The sensor rig: which sensors the car carries, where they sit and how good they are. One description for simulator and ROS.

Read from YAML: a mapping of kinds to named sensors; a value left out is its default, an unknown one an error of one line. Without a file
the rig is `DEFAULT`.

    cameras:
      front: {mount: {x_m: 1.7, z_m: 1.4}, width_px: 640, height_px: 360, fx_px: 320, fy_px: 320, cx_px: 319.5, cy_px: 179.5}
    lidars:
      top: {mount: {x_m: 1.2, z_m: 1.9}, channels: 16}
    imus: {main: {}}
    gnss: {roof: {origin_latitude_deg: 48.1, origin_longitude_deg: 11.6}}
    wheels: {rear: {scale_sigma: 0.01}}
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from whyway.config import override
from whyway.typed_yaml import read_yaml
from whyway.types import Floats, InputError
from whyway.worlds.sim.sensing.mounting import OPTICAL_IN_BODY, Mount, quaternion

BASE_FRAME = "base_link"
_MOST_PIXELS = 16_000_000


@dataclass(frozen=True, slots=True)
class CameraSpec:
    """A pinhole camera without distortion. Pixel (0, 0) is a centre, as OpenCV and CameraInfo count."""

    mount: Mount = field(default_factory=lambda: Mount(x_m=1.7, z_m=1.4))
    width_px: int = 640
    height_px: int = 360
    fx_px: float = 320.0
    fy_px: float = 320.0
    cx_px: float = 319.5
    cy_px: float = 179.5
    near_m: float = 0.1
    """Nothing nearer is seen."""
    range_m: float = 250.0
    """Road and road users farther away are not drawn; the ground is."""

    @property
    def matrix(self) -> Floats:
        """K, (3, 3)."""
        return np.array(
            [[self.fx_px, 0.0, self.cx_px], [0.0, self.fy_px, self.cy_px], [0.0, 0.0, 1.0]]
        )


@dataclass(frozen=True, slots=True)
class LidarSpec:
    """A spinning lidar; ring 0 is the lowest. It turns to the left and passes its back (azimuth -pi) at stamp 0."""

    mount: Mount = field(default_factory=lambda: Mount(x_m=1.2, z_m=1.9))
    channels: int = 32
    elevation_low_rad: float = math.radians(-25.0)
    elevation_high_rad: float = math.radians(7.0)
    columns: int = 1800
    """Firings per turn."""
    rate_hz: float = 10.0
    """Turns per second."""
    range_min_m: float = 0.9
    range_m: float = 100.0
    range_sigma_m: float = 0.02
    dropout_probability: float = 0.01
    attenuation_1pm: float = 0.004
    """Of the intensity with distance (CARLA's default)."""
    motion_distortion: bool = True
    """Points are where they are seen from the moving car; off: all as of the stamp."""

    @property
    def elevations_rad(self) -> Floats:
        """By ring, (channels,)."""
        return np.linspace(self.elevation_low_rad, self.elevation_high_rad, self.channels)


@dataclass(frozen=True, slots=True)
class ImuSpec:
    """Accelerometers and gyroscopes, each axis alike: white noise by its density, a constant bias, and a random walk of that bias."""

    mount: Mount = field(default_factory=lambda: Mount(x_m=0.0, z_m=0.4))
    rate_hz: float = 100.0
    acceleration_density: float = 2e-3
    """m/s^2/sqrt(Hz)."""
    acceleration_bias_sigma_mps2: float = 0.02
    """Spread of the bias at the start."""
    acceleration_bias_walk: float = 2e-4
    """m/s^2/sqrt(s)."""
    rate_density: float = 1e-4
    """rad/s/sqrt(Hz)."""
    rate_bias_sigma_rps: float = 1e-3
    rate_bias_walk: float = 1e-5
    """rad/s/sqrt(s)."""


@dataclass(frozen=True, slots=True)
class GnssSpec:
    """Receiver of position: white noise and a bias that wanders, bound to its mean by a time constant.

    The origin is where `map` is (0, 0): the centre of a transverse Mercator projection on WGS 84, as in OpenDRIVE's geoReference
    `+proj=tmerc +lat_0 +lon_0 +k=1 +datum=WGS84`. The defaults are those of the maps this package writes.
    """

    mount: Mount = field(default_factory=lambda: Mount(x_m=0.5, z_m=1.5))
    origin_latitude_deg: float = 0.0
    origin_longitude_deg: float = 0.0
    origin_altitude_m: float = 0.0
    horizontal_sigma_m: float = 0.3
    vertical_sigma_m: float = 0.6
    bias_sigma_m: float = 0.8
    """Spread of the bias in the long run, per horizontal axis; twice as much vertically."""
    bias_time_s: float = 60.0
    """How long the bias remembers."""


@dataclass(frozen=True, slots=True)
class WheelSpec:
    """Dead reckoning from wheel speeds: constant errors drawn once per drive make it drift, noise makes it rough."""

    scale_sigma: float = 0.01
    """Spread of the relative error of the wheels' radius."""
    yaw_rate_bias_sigma_rps: float = 2e-3
    speed_sigma_mps: float = 0.03
    yaw_rate_sigma_rps: float = 5e-3


S = TypeVar("S", CameraSpec, LidarSpec, ImuSpec, GnssSpec, WheelSpec)


@dataclass(frozen=True, slots=True)
class Rig:
    """Named sensors by kind."""

    cameras: Mapping[str, CameraSpec] = field(default_factory=dict)
    lidars: Mapping[str, LidarSpec] = field(default_factory=dict)
    imus: Mapping[str, ImuSpec] = field(default_factory=dict)
    gnss: Mapping[str, GnssSpec] = field(default_factory=dict)
    wheels: Mapping[str, WheelSpec] = field(default_factory=dict)

    def transforms(self) -> Iterator[tuple[str, str, Floats, tuple[float, float, float, float]]]:
        """Parent frame, child frame, translation (3,) and quaternion (x, y, z, w) of every mount."""
        for kind in ("cameras", "lidars", "imus", "gnss"):
            for name, spec in getattr(self, kind).items():
                child, mount = frame(kind, name), spec.mount
                yield BASE_FRAME, child, mount.translation, quaternion(mount.rotation)
                if kind == "cameras":
                    yield child, optical_frame(name), np.zeros(3), quaternion(OPTICAL_IN_BODY)


def frame(kind: str, name: str) -> str:
    """Name of a sensor's body frame: `camera_front`, `lidar_top`, `imu_main`, `gnss_roof`."""
    return f"{kind.removesuffix('s') if kind != 'gnss' else kind}_{name}"


def optical_frame(name: str) -> str:
    """Name of a camera's optical frame, in which its images and their depth are."""
    return f"{frame('cameras', name)}_optical"


DEFAULT = Rig(
    cameras={"front": CameraSpec()},
    lidars={"top": LidarSpec()},
    imus={"main": ImuSpec()},
    gnss={"roof": GnssSpec()},
    wheels={"rear": WheelSpec()},
)
"""A camera behind the windscreen, a lidar on the roof, an IMU, a GNSS receiver, wheel encoders."""


def read_rig(path: Path | None) -> Rig:
    """The rig of a YAML file, `DEFAULT` without one.

    Raises:
      InputError: a file that cannot be read, or a key or value that does not belong; one line.
    """
    if path is None:
        return DEFAULT
    return make_rig(read_yaml(path, "give a YAML file of sensors", InputError) or {}, str(path))


def make_rig(data: Any, where: str = "rig") -> Rig:
    """The rig of nested mappings, as YAML gives them.

    Raises:
      InputError: a key or value that does not belong; one line.
    """
    kinds = {f.name: _SPECS[f.name] for f in fields(Rig)}
    if not isinstance(data, Mapping):
        raise InputError(f"{where}: expected {', '.join(kinds)}; found a {type(data).__name__}")
    unknown = [str(key) for key in data if key not in kinds]
    if unknown:
        raise InputError(f"{where}: unknown key {unknown[0]!r}; known: {', '.join(kinds)}")
    made = {kind: _named(spec, data.get(kind), f"{where}.{kind}") for kind, spec in kinds.items()}
    return Rig(**made)


_SPECS: dict[str, Any] = {
    "cameras": CameraSpec(),
    "lidars": LidarSpec(),
    "imus": ImuSpec(),
    "gnss": GnssSpec(),
    "wheels": WheelSpec(),
}


def _named(default: S, data: Any, where: str) -> dict[str, S]:
    if data is not None and not isinstance(data, Mapping):
        raise InputError(f"{where}: expected names of sensors, found a {type(data).__name__}")
    found = {}
    for name, values in (data or {}).items():
        if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise InputError(
                f"{where}: {name!r} is no name; take lower-case letters, digits and _, a letter first"
            )
        if values is not None and not isinstance(values, Mapping):
            raise InputError(f"{where}.{name}: expected keys and values, found {values!r}")
        found[name] = _checked(
            override(default, values or {}, f"{where}.{name}"), f"{where}.{name}"
        )
    return found


def _checked(spec: S, where: str) -> S:
    """What no single value can tell."""
    if isinstance(spec, (CameraSpec, LidarSpec)) and spec.mount.z_m <= 0.0:
        raise InputError(f"{where}.mount.z_m: {spec.mount.z_m:g} is not above the ground")
    if isinstance(spec, CameraSpec) and spec.width_px * spec.height_px > _MOST_PIXELS:
        raise InputError(
            f"{where}: {spec.width_px} x {spec.height_px} pixels are more than 16 million"
        )
    if isinstance(spec, LidarSpec):
        if spec.elevation_low_rad > spec.elevation_high_rad:
            raise InputError(f"{where}: elevation_low_rad is above elevation_high_rad")
        if spec.range_min_m >= spec.range_m:
            raise InputError(f"{where}: range_min_m is not below range_m")
    return spec
