/* The operators of an INT8 network, as TensorFlow Lite's reference kernels define them: 8-bit codes,
 * 32-bit sums, fixed-point multipliers. Tensors are (time, channels), one record. C99, no malloc. */
#ifndef HR_KERNELS_H
#define HR_KERNELS_H

#include <stdint.h>

/* Real numbers as mantissa * 2^(shift - 31). */
typedef struct {
    int32_t mantissa;
    int32_t shift;
} hr_factor;

/* A convolution over time, or a linear layer (one step, width 1). `bias` holds what the input's zero
 * point adds where the whole window lies inside. */
typedef struct {
    int32_t n_in, n_out, width, stride, pad, l_in, l_out;
    int32_t in_zero, out_zero, low, high;
    int32_t rounds_once; /* linear layers do, convolutions round twice */
    const int8_t *weights; /* (n_out, width, n_in) */
    const int32_t *bias;
    const int32_t *mantissas;
    const int8_t *shifts;
} hr_conv_op;

typedef struct {
    int32_t n, n_a, n_b; /* shorter ones are repeated */
    int32_t a_zero, b_zero, out_zero, low, high;
    hr_factor a, b, out; /* a product has `out` alone */
} hr_pair_op;

typedef struct {
    int32_t n_channels, width, stride, pad, l_in, l_out, low, high;
} hr_pool_op;

typedef struct {
    int32_t n_channels, n_times;
    int32_t in_zero, out_zero;
    hr_factor factor;
} hr_mean_op;

void hr_conv(const hr_conv_op *op, const int8_t *in, int8_t *out);
void hr_add(const hr_pair_op *op, const int8_t *a, const int8_t *b, int8_t *out);
void hr_multiply(const hr_pair_op *op, const int8_t *a, const int8_t *b, int8_t *out);
void hr_mean(const hr_mean_op *op, const int8_t *in, int8_t *out);
void hr_max_pool(const hr_pool_op *op, const int8_t *in, int8_t *out);
void hr_average_pool(const hr_pool_op *op, const int8_t *in, int8_t *out);
/* `table` holds the answer of each code, from -128 on. */
void hr_look_up(const int8_t *table, int32_t n, const int8_t *in, int8_t *out);
void hr_recode(hr_factor factor, int32_t in_zero, int32_t out_zero, int32_t n, const int8_t *in,
               int8_t *out);
/* Zeros before and behind (n steps, already in `in`'s place) are `zero`. */
void hr_pad(int32_t zero, int32_t n_before, int32_t n, int32_t n_behind, const int8_t *in,
            int8_t *out);
/* Writes `width` bytes of each row into rows of `out_width`. */
void hr_join(int32_t n_rows, int32_t width, int32_t out_width, const void *in, void *out);

/* Millivolts (n_leads, n_times) without each lead's mean, normalised, as codes (n_times, n_leads). */
void hr_normalise(int32_t n_leads, int32_t n_times, const float *scale, const float *shift,
                  float code, int32_t zero, const float *in, int8_t *out);
void hr_quantise(float code, int32_t zero, int32_t n, const float *in, int8_t *out);
void hr_dequantise(float code, int32_t zero, int32_t n, const int8_t *in, float *out);

/* In float32: a shorter operand is repeated. */
void hr_float_add(int32_t n, int32_t n_a, const float *a, int32_t n_b, const float *b, float *out);
void hr_float_subtract(int32_t n, int32_t n_a, const float *a, int32_t n_b, const float *b,
                       float *out);
void hr_float_multiply(int32_t n, int32_t n_a, const float *a, int32_t n_b, const float *b,
                       float *out);
void hr_float_maximum(int32_t n, int32_t n_a, const float *a, int32_t n_b, const float *b,
                      float *out);
void hr_float_minimum(int32_t n, int32_t n_a, const float *a, int32_t n_b, const float *b,
                      float *out);
void hr_float_largest(int32_t n, const float *in, float *out);
void hr_float_linear(int32_t n_in, int32_t n_out, const float *weights, const float *bias,
                     const float *in, float *out);
void hr_float_sigmoid(int32_t n, const float *in, float *out);

#endif
