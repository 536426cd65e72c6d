#include "hr_kernels.h"

#include <math.h>
#include <string.h>

/* ---------------------------------------------------------------- fixed point */

static int32_t clamp(int32_t x, int32_t low, int32_t high)
{
    return x < low ? low : x > high ? high : x;
}

/* x * factor, rounded twice: the product's upper half to nearest, ties up; then the shift, ties away
 * from 0. */
static int32_t times(int32_t x, int32_t mantissa, int32_t shift)
{
    const int32_t left = shift > 0 ? shift : 0, right = shift > 0 ? 0 : -shift;
    const int64_t product = (int64_t)(x * ((int32_t)1 << left)) * mantissa;
    const int64_t half = (int64_t)1 << 30;
    const int32_t high =
        (int32_t)((product + (product >= 0 ? half : 1 - half)) / ((int64_t)1 << 31));
    const int32_t mask = (int32_t)(((int64_t)1 << right) - 1);
    const int32_t rest = high & mask, middle = (mask >> 1) + (high < 0);
    return (high >> right) + (rest > middle);
}

/* The same, rounded once, ties up. */
static int32_t times_once(int32_t x, int32_t mantissa, int32_t shift)
{
    const int32_t total = 31 - shift;
    return (int32_t)(((int64_t)x * mantissa + ((int64_t)1 << (total - 1))) >> total);
}

/* ---------------------------------------------------------------- layers with weights */

static int32_t sum_of(const int8_t *values, int32_t n)
{
    int32_t sum = 0;
    for (int32_t i = 0; i < n; i++) sum += values[i];
    return sum;
}

/* Four rows of weights at once: each input is read once for all of them. */
static void four_dots(const int8_t *x, const int8_t *w, int32_t size, int32_t n, int32_t sums[4])
{
    const int8_t *w1 = w + size, *w2 = w1 + size, *w3 = w2 + size;
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (int32_t i = 0; i < n; i++) {
        const int16_t value = x[i];
        s0 += value * (int16_t)w[i];
        s1 += value * (int16_t)w1[i];
        s2 += value * (int16_t)w2[i];
        s3 += value * (int16_t)w3[i];
    }
    sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3;
}

static int32_t dot(const int8_t *x, const int8_t *w, int32_t n)
{
    int32_t sum = 0;
    for (int32_t i = 0; i < n; i++) sum += (int16_t)x[i] * (int16_t)w[i];
    return sum;
}

static int8_t finished(const hr_conv_op *op, int32_t o, int32_t sum)
{
    sum = op->rounds_once ? times_once(sum, op->mantissas[o], op->shifts[o])
                          : times(sum, op->mantissas[o], op->shifts[o]);
    return (int8_t)clamp(sum + op->out_zero, op->low, op->high);
}

void hr_conv(const hr_conv_op *op, const int8_t *in, int8_t *out)
{
    const int32_t size = op->width * op->n_in;
    for (int32_t t = 0; t < op->l_out; t++, out += op->n_out) {
        /* Taps from `first` to before `last` lie inside; the others see the zero point. */
        const int32_t start = t * op->stride - op->pad;
        const int32_t first = clamp(-start, 0, op->width);
        const int32_t last = clamp(op->l_in - start, first, op->width);
        const int32_t before = first * op->n_in, inside = (last - first) * op->n_in;
        const int32_t behind = size - before - inside;
        const int8_t *x = in + (start + first) * op->n_in;
        const int8_t *w = op->weights;
        int32_t sums[4];
        for (int32_t o = 0; o < op->n_out; o++, w += size) {
            if (o % 4 == 0 && o + 4 <= op->n_out) four_dots(x, w + before, size, inside, sums);
            int32_t sum = o / 4 * 4 + 4 <= op->n_out ? sums[o % 4] : dot(x, w + before, inside);
            if (before + behind > 0)
                sum += op->in_zero * (sum_of(w, before) + sum_of(w + before + inside, behind));
            out[o] = finished(op, o, sum + op->bias[o]);
        }
    }
}

/* ---------------------------------------------------------------- element by element */

void hr_add(const hr_pair_op *op, const int8_t *a, const int8_t *b, int8_t *out)
{
    int32_t i_a = 0, i_b = 0;
    for (int32_t i = 0; i < op->n; i++) {
        const int32_t x = (a[i_a] - op->a_zero) * ((int32_t)1 << 20);
        const int32_t y = (b[i_b] - op->b_zero) * ((int32_t)1 << 20);
        const int32_t sum =
            times(x, op->a.mantissa, op->a.shift) + times(y, op->b.mantissa, op->b.shift);
        const int32_t code = times(sum, op->out.mantissa, op->out.shift) + op->out_zero;
        out[i] = (int8_t)clamp(code, op->low, op->high);
        if (++i_a == op->n_a) i_a = 0;
        if (++i_b == op->n_b) i_b = 0;
    }
}

void hr_multiply(const hr_pair_op *op, const int8_t *a, const int8_t *b, int8_t *out)
{
    int32_t i_a = 0, i_b = 0;
    for (int32_t i = 0; i < op->n; i++) {
        const int32_t product = (a[i_a] - op->a_zero) * (b[i_b] - op->b_zero);
        const int32_t code = times(product, op->out.mantissa, op->out.shift) + op->out_zero;
        out[i] = (int8_t)clamp(code, op->low, op->high);
        if (++i_a == op->n_a) i_a = 0;
        if (++i_b == op->n_b) i_b = 0;
    }
}

void hr_look_up(const int8_t *table, int32_t n, const int8_t *in, int8_t *out)
{
    for (int32_t i = 0; i < n; i++) out[i] = table[in[i] + 128];
}

void hr_recode(hr_factor factor, int32_t in_zero, int32_t out_zero, int32_t n, const int8_t *in,
               int8_t *out)
{
    for (int32_t i = 0; i < n; i++) {
        const int32_t code = times(in[i] - in_zero, factor.mantissa, factor.shift) + out_zero;
        out[i] = (int8_t)clamp(code, -128, 127);
    }
}

/* ---------------------------------------------------------------- over time */

static int32_t divided(int32_t sum, int32_t n)
{
    return (sum > 0 ? sum + n / 2 : sum - n / 2) / n;
}

void hr_mean(const hr_mean_op *op, const int8_t *in, int8_t *out)
{
    for (int32_t c = 0; c < op->n_channels; c++) {
        int32_t sum = 0;
        for (int32_t t = 0; t < op->n_times; t++) sum += in[t * op->n_channels + c] - op->in_zero;
        sum = times(sum, op->factor.mantissa, op->factor.shift);
        out[c] = (int8_t)clamp(sum + op->out_zero, -128, 127);
    }
}

void hr_max_pool(const hr_pool_op *op, const int8_t *in, int8_t *out)
{
    for (int32_t t = 0; t < op->l_out; t++) {
        const int32_t start = t * op->stride - op->pad;
        const int32_t first = clamp(start, 0, op->l_in);
        const int32_t last = clamp(start + op->width, first, op->l_in);
        for (int32_t c = 0; c < op->n_channels; c++) {
            int32_t largest = -128;
            for (int32_t s = first; s < last; s++) {
                const int32_t x = in[s * op->n_channels + c];
                if (x > largest) largest = x;
            }
            *out++ = (int8_t)clamp(largest, op->low, op->high);
        }
    }
}

void hr_average_pool(const hr_pool_op *op, const int8_t *in, int8_t *out)
{
    for (int32_t t = 0; t < op->l_out; t++) {
        const int32_t start = t * op->stride - op->pad;
        const int32_t first = clamp(start, 0, op->l_in);
        const int32_t last = clamp(start + op->width, first + 1, op->l_in);
        for (int32_t c = 0; c < op->n_channels; c++) {
            int32_t sum = 0;
            for (int32_t s = first; s < last; s++) sum += in[s * op->n_channels + c];
            *out++ = (int8_t)clamp(divided(sum, last - first), op->low, op->high);
        }
    }
}

void hr_pad(int32_t zero, int32_t n_before, int32_t n, int32_t n_behind, const int8_t *in,
            int8_t *out)
{
    memset(out, zero, (size_t)n_before);
    memcpy(out + n_before, in, (size_t)n);
    memset(out + n_before + n, zero, (size_t)n_behind);
}

void hr_join(int32_t n_rows, int32_t width, int32_t out_width, const void *in, void *out)
{
    const char *from = in;
    char *to = out;
    for (int32_t row = 0; row < n_rows; row++, from += width, to += out_width)
        memcpy(to, from, (size_t)width);
}

/* ---------------------------------------------------------------- codes and numbers */

static int8_t coded(float x, float code, int32_t zero)
{
    const float y = roundf(x / code) + (float)zero;
    return (int8_t)(y < -128.0f ? -128.0f : y > 127.0f ? 127.0f : y);
}

void hr_normalise(int32_t n_leads, int32_t n_times, const float *scale, const float *shift,
                  float code, int32_t zero, const float *in, int8_t *out)
{
    for (int32_t lead = 0; lead < n_leads; lead++, in += n_times) {
        float sum = 0;
        for (int32_t t = 0; t < n_times; t++) sum += in[t];
        const float mean = sum / (float)n_times;
        for (int32_t t = 0; t < n_times; t++)
            out[t * n_leads + lead] =
                coded((in[t] - mean) * scale[lead] + shift[lead], code, zero);
    }
}

void hr_quantise(float code, int32_t zero, int32_t n, const float *in, int8_t *out)
{
    for (int32_t i = 0; i < n; i++) out[i] = coded(in[i], code, zero);
}

void hr_dequantise(float code, int32_t zero, int32_t n, const int8_t *in, float *out)
{
    for (int32_t i = 0; i < n; i++) out[i] = code * (float)(in[i] - zero);
}

/* ---------------------------------------------------------------- float32 */

#define HR_FLOAT_PAIR(name, value)                                                               \
    void name(int32_t n, int32_t n_a, const float *a, int32_t n_b, const float *b, float *out)   \
    {                                                                                            \
        for (int32_t i = 0; i < n; i++) {                                                        \
            const float x = a[i % n_a], y = b[i % n_b];                                          \
            out[i] = (value);                                                                    \
        }                                                                                        \
    }

HR_FLOAT_PAIR(hr_float_add, x + y)
HR_FLOAT_PAIR(hr_float_subtract, x - y)
HR_FLOAT_PAIR(hr_float_multiply, x *y)
HR_FLOAT_PAIR(hr_float_maximum, x > y ? x : y)
HR_FLOAT_PAIR(hr_float_minimum, x < y ? x : y)

void hr_float_largest(int32_t n, const float *in, float *out)
{
    *out = in[0];
    for (int32_t i = 1; i < n; i++)
        if (in[i] > *out) *out = in[i];
}

void hr_float_linear(int32_t n_in, int32_t n_out, const float *weights, const float *bias,
                     const float *in, float *out)
{
    for (int32_t o = 0; o < n_out; o++) {
        float sum = 0;
        for (int32_t i = 0; i < n_in; i++) sum += in[i] * weights[o * n_in + i];
        out[o] = sum + bias[o];
    }
}

void hr_float_sigmoid(int32_t n, const float *in, float *out)
{
    for (int32_t i = 0; i < n; i++) out[i] = 1.0f / (1.0f + expf(-in[i]));
}
