// The layers of a network one after another, on a group of cells.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <vector>

#include "network_job.h"

namespace {

// Calls act(V) with the number of vectors that `cells` fill, VECTORS at the most.
template <class Act>
void in_vectors(int64_t cells, Act act) {
    switch (std::min<int64_t>((cells + LANES - 1) / LANES, VECTORS)) {
        case 1: return act(std::integral_constant<int, 1>());
        case 2: return act(std::integral_constant<int, 2>());
        case 3: return act(std::integral_constant<int, 3>());
        default: return act(std::integral_constant<int, VECTORS>());
    }
}

// Runs the layers, in buffers of one thread.
struct LayerChain {
    const Network& net;
    const Job& job;
    const int64_t channels;
    std::unique_ptr<Vec[]> hidden[2];  // (outputs of the widest layer, VECTORS)
    std::vector<const float*> hidden_inputs, joined_inputs;

    explicit LayerChain(const Network& n)
        : net(n), job(n.job), channels(job.channels), joined_inputs(job.learned ? net.layers[1].layer.inputs : 0) {
        int widest = 0;
        for (const auto& packed : net.layers) widest = std::max(widest, packed.outputs);
        for (auto& one : hidden) one.reset(new Vec[size_t(widest) * VECTORS]);
        hidden_inputs.resize(widest);
    }

    // Delta (C, V vectors) of the cells from `offset` on in `in`: the output of the last layer.
    template <int V>
    const Vec* run(const float* const* in, int64_t offset) {
        const Vec* out = nullptr;
        for (size_t i = 0; i < net.layers.size(); i++) {
            Vec* to = hidden[i % 2].get();
            dense<V>(net.layers[i], i == 0 && job.learned ? in + job.filter_count * channels : in, offset, to);
            out = to;
            if (i == 0 && job.learned) {
                in = join(in, offset, to, V);
            } else {
                for (int k = 0; k < net.layers[i].outputs; k++) hidden_inputs[k] = reinterpret_cast<const float*>(to + k * V);
                in = hidden_inputs.data();
            }
            offset = 0;
        }
        return out;
    }

    // The inputs of the layer behind the learned kernels: the outputs of the filters, then those of the kernels.
    const float* const* join(const float* const* in, int64_t offset, const Vec* learned, int vectors) {
        const size_t fixed = job.filter_count * channels;
        for (size_t k = 0; k < fixed; k++) joined_inputs[k] = in[k] + offset;
        for (size_t k = fixed; k < joined_inputs.size(); k++)
            joined_inputs[k] = reinterpret_cast<const float*>(learned + (k - fixed) * vectors);
        return joined_inputs.data();
    }

    // The buffer that does not hold the output of the last layer.
    Vec* spare() { return hidden[net.layers.size() % 2].get(); }
};

}  // namespace
