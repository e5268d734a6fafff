// Named choices. The macros come from the lists in Python (build.py), so that both sides number them alike.
#pragma once

enum Boundary { BOUNDARIES };     // PERIODIC, ZERO, REFLECT
enum Activation { ACTIVATIONS };  // NONE, ELU, RELU, TANH, SILU
enum Curve { CURVES };            // POLYNOMIAL, EXPONENTIAL
enum Update { UPDATES };          // CLIP, SIGMOID, FREE, FLOW
namespace normalisation {
enum Normalisation { NORMALISATIONS };  // NONE, CELL, GRID
}
