"""The motor: a law, its state, and the loop that steps it."""

from aetheria.motor.motor import Aetheria_Motor as Aetheria_Motor
from aetheria.motor.motor import MotorConfig as MotorConfig
