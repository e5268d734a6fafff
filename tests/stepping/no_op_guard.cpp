// Lets a CPU build of PyTorch carry fake tensors that say they are on CUDA: switching to that device does nothing.
#include <c10/core/impl/DeviceGuardImplInterface.h>

C10_REGISTER_GUARD_IMPL(CUDA, c10::impl::NoOpDeviceGuardImpl<c10::DeviceType::CUDA>);
