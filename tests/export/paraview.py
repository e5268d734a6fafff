"""VTKHDF files as ParaView sees them: by VTK's own reader."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkIOHDF import vtkHDFReader


def seen_by_paraview(path: Path) -> list[dict[str, NDArray[Any]]]:
    """The arrays `(depth, height, width)` of each time step, with the image's "time", "origin", "spacing" and "size"."""
    reader = vtkHDFReader()
    reader.SetFileName(str(path))
    assert reader.CanReadFile(str(path))
    reader.UpdateInformation()
    steps = []
    for step in range(reader.GetNumberOfSteps()):
        reader.SetStep(step)
        reader.Update()
        image = reader.GetOutput()
        points = image.GetPointData()
        size = image.GetDimensions()
        arrays = {points.GetArrayName(k): vtk_to_numpy(points.GetArray(k)).copy() for k in range(points.GetNumberOfArrays())}
        shaped = {name: array.reshape(*size[::-1], *array.shape[1:]) for name, array in arrays.items()}
        about = {"origin": image.GetOrigin(), "spacing": image.GetSpacing(), "time": reader.GetTimeValue(), "size": size}
        steps.append(shaped | {name: np.asarray(value) for name, value in about.items()})
    return steps
