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

// Divides V vectors of each output by their root mean square over all outputs, and multiplies them by the scale of the output.
// One vector after the other: of sums of V vectors by turns, compilers round the products for one V and not for another.
template <int V>
void normalise(const PackedLayer& p, Vec* out) {
    const int outputs = p.layer.outputs;
    for (int v = 0; v < V; v++) {
        Vec squares{};
        for (int o = 0; o < outputs; o++) squares += out[o * V + v] * out[o * V + v];
        const Vec factor = inverse_root(squares / float(outputs) + p.layer.eps);
        for (int o = 0; o < outputs; o++) out[o * V + v] = out[o * V + v] * factor * p.scale[o];
    }
}

// out (outputs, V vectors) = activation(norm(weight @ in + bias)); input k of the first cell is at in[k] + offset.
template <int V>
void dense(const PackedLayer& p, const float* const* in, int64_t offset, Vec* out) {
    const int inputs = p.layer.inputs, activation = p.layer.activation;
    const bool rectified = activation == RELU && !p.layer.scale;  // while in registers
    for (int first = 0; first < p.outputs; first += BLOCK) {
        const float* weight = &p.weight[size_t(first) * inputs];
        Vec sum[BLOCK][V];
        each<BLOCK>([&](int i) { each<V>([&](int v) { sum[i][v] = Vec{} + p.bias[first + i]; }); });
        for (int k = 0; k < inputs; k++, weight += BLOCK) {
            const float* from = in[k] + offset;
            // In this order, and without a vector for the weight, compilers keep all of it in 16 registers.
            Vec x[V];
            each<V>([&](int v) { x[v] = load(from + v * LANES); });
            each<BLOCK>([&](int i) { each<V>([&](int v) { sum[i][v] += weight[i] * x[v]; }); });
        }
        each<BLOCK>([&](int i) {
            each<V>([&](int v) { out[(first + i) * V + v] = rectified ? activated<RELU>(sum[i][v]) : sum[i][v]; });
        });
    }
    if (p.layer.scale) normalise<V>(p, out);
    if (rectified) return;
    with_activation(activation, [&](auto chosen) {
        for (int i = 0; i < p.outputs * V; i += BLOCK) activate<chosen, BLOCK>(out + i);
    });
}
