// Dense layers at each cell, on groups of cells that lie in the lanes of vectors.
#pragma once
#include <vector>

#include "job.h"
#include "simd.h"

extern "C" {
struct Layer {
    const float *weight, *bias, *scale;  // (outputs, inputs), (outputs), (outputs) or null
    int32_t inputs, outputs, activation;
    float eps;
};
}
EXPORT_SIZE(Layer)

struct PackedLayer {  // with the weights in the order in which `dense` reads them: blocks of BLOCK outputs, input by input
    Layer layer;
    int outputs;  // rounded up to whole blocks
    std::vector<float> weight, bias, scale;

    explicit PackedLayer(const Layer& from)
        : layer(from), outputs((from.outputs + BLOCK - 1) / BLOCK * BLOCK), weight(size_t(outputs) * from.inputs),
          bias(outputs), scale(outputs) {
        for (int o = 0; o < from.outputs; o++) {
            if (from.bias) bias[o] = from.bias[o];
            if (from.scale) scale[o] = from.scale[o];
            for (int k = 0; k < from.inputs; k++)
                weight[(size_t(o / BLOCK) * from.inputs + k) * BLOCK + o % BLOCK] = from.weight[size_t(o) * from.inputs + k];
        }
    }
};

// out (outputs, V vectors) = activation(norm(weight @ in + bias)); input k of the first cell is at in[k] + offset.
template <int V>
void dense(const PackedLayer& p, const float* const* in, int64_t offset, Vec* out) {
    const int inputs = p.layer.inputs, activation = p.layer.scale ? NONE : p.layer.activation;
    const int inlined = activation == RELU ? RELU : NONE;  // others would be unrolled into pages of code
    for (int first = 0; first < p.outputs; first += BLOCK) {
        const float* weight = &p.weight[size_t(first) * inputs];
        Vec sum[BLOCK][V];
#pragma GCC unroll 16
        for (int i = 0; i < BLOCK; i++)
#pragma GCC unroll 16
            for (int v = 0; v < V; v++) sum[i][v] = Vec{} + p.bias[first + i];
        for (int k = 0; k < inputs; k++, weight += BLOCK) {
            const float* from = in[k] + offset;
#pragma GCC unroll 16
            for (int v = 0; v < V; v++) {
                const Vec x = load(from + v * LANES);
#pragma GCC unroll 16
                for (int i = 0; i < BLOCK; i++) sum[i][v] += weight[i] * x;
            }
        }
#pragma GCC unroll 16
        for (int i = 0; i < BLOCK; i++)
#pragma GCC unroll 16
            for (int v = 0; v < V; v++) out[(first + i) * V + v] = inlined == NONE ? sum[i][v] : activated(sum[i][v], RELU);
        if (activation != inlined)
            for (int i = first * V; i < (first + BLOCK) * V; i++) out[i] = activated(out[i], activation);
    }
    if (!p.layer.scale) return;
    for (int v = 0; v < V; v++) {
        Vec squares{};
        for (int o = 0; o < p.layer.outputs; o++) squares += out[o * V + v] * out[o * V + v];
        const Vec factor = inverse_root(squares / float(p.layer.outputs) + p.layer.eps);
        for (int o = 0; o < p.layer.outputs; o++)
            out[o * V + v] = activated(out[o * V + v] * factor * p.scale[o], p.layer.activation);
    }
}
