"""The shared blocks against torch's own one-dimensional layers."""

import pytest
import torch
from torch import nn

from heart_reader.models.blocks import SqueezeExcite, as_image, halve, mean_over_time
from heart_reader.models.convolution import LongConvolution, convolution, folded_convolution


def image(n, c, n_times, dtype=torch.float64):
    generator = torch.Generator().manual_seed(5)
    return as_image(torch.randn(n, n_times, c, generator=generator, dtype=dtype).transpose(1, 2))


def test_a_transposed_signal_becomes_channels_last_without_a_copy():
    by_time = torch.randn(3, 50, 12)
    x = as_image(by_time.transpose(1, 2))
    assert x.shape == (3, 12, 1, 50)
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert x.data_ptr() == by_time.data_ptr()


@pytest.mark.parametrize("kernel_size", [1, 5, 9, 13, 15, 19, 27, 29, 39])
@pytest.mark.parametrize("stride", [1, 2])
def test_convolution_and_its_gradients_equal_conv1d(kernel_size, stride):
    torch.manual_seed(0)
    layer = convolution(6, 10, kernel_size, stride).double()
    x = image(3, 6, 61).requires_grad_()
    weight = layer.weight.detach().clone().squeeze(2).requires_grad_()
    x1d = x.detach().squeeze(2).requires_grad_()
    ours = layer(x)
    reference = nn.functional.conv1d(x1d, weight, stride=stride, padding=kernel_size // 2)
    torch.testing.assert_close(ours.squeeze(2), reference)
    upstream = torch.randn_like(reference)
    ours.backward(upstream.unsqueeze(2))
    reference.backward(upstream)
    torch.testing.assert_close(x.grad.squeeze(2), x1d.grad)
    torch.testing.assert_close(layer.weight.grad.squeeze(2), weight.grad)


def test_only_long_kernels_take_the_long_way():
    kinds = [type(convolution(4, 4, k, 1)) for k in (9, 13, 15, 39)]
    assert kinds == [nn.Conv2d, nn.Conv2d, LongConvolution, LongConvolution]


@pytest.mark.parametrize("n_times", [1000, 250, 7])
@pytest.mark.parametrize("n_taps", [3, 9, 19, 39])
@pytest.mark.parametrize("fold", [2, 4, 8])
def test_folding_time_into_channels_changes_nothing(n_times, n_taps, fold):
    torch.manual_seed(0)
    x = image(2, 6, n_times).requires_grad_()
    weight = torch.randn(5, 6, 1, n_taps, dtype=torch.float64, requires_grad=True)
    plain = torch.conv2d(x, weight, padding=(0, n_taps // 2))
    folded = folded_convolution(x, weight, fold)
    upstream = torch.randn_like(plain)
    expected = torch.autograd.grad(plain, (x, weight), upstream)
    found = torch.autograd.grad(folded, (x, weight), upstream)
    for one, other in zip((plain, *expected), (folded, *found), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-11)


def test_long_convolution_under_autocast_gives_bfloat16_and_float32_gradients():
    layer = convolution(8, 8, 39, 1)
    x = image(2, 8, 100, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        out = layer(x)
    out.float().square().sum().backward()
    assert (out.dtype, layer.weight.grad.dtype) == (torch.bfloat16, torch.float32)
    exact = layer.weight.grad.clone()
    layer.zero_grad()
    layer(x).square().sum().backward()
    assert torch.cosine_similarity(exact.flatten(), layer.weight.grad.flatten(), 0) > 0.999


def test_mean_over_time_and_its_gradient():
    x = image(2, 3, 40).requires_grad_()
    torch.testing.assert_close(mean_over_time(x), x.mean((2, 3)))
    (grad,) = torch.autograd.grad(mean_over_time(x).sum(), x)
    torch.testing.assert_close(grad, torch.full_like(x, 1 / 40))
    assert grad.is_contiguous(memory_format=torch.channels_last)


def test_squeeze_excite_gradient_is_that_of_finite_differences():
    torch.manual_seed(0)
    layer = SqueezeExcite(8, 4).double()
    assert torch.autograd.gradcheck(layer, (image(2, 8, 5).requires_grad_(),))


@pytest.mark.parametrize("n_times", [8, 9, 1])
def test_halve_equals_average_pooling_in_ceil_mode(n_times):
    x = image(2, 3, n_times)
    expected = nn.functional.avg_pool1d(x.squeeze(2), 2, ceil_mode=True)
    torch.testing.assert_close(halve(x).squeeze(2), expected)
