#include "audio/power_spectrum.h"

#include <cstddef>
#include <cstdint>

#include "arithmetic/elementary.h"

namespace dt {
namespace {

struct Complex {
  float re, im;
};

inline Complex operator+(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }
inline Complex operator-(Complex a, Complex b) { return {a.re - b.re, a.im - b.im}; }
inline Complex operator*(Complex a, Complex b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
inline Complex conjugate(Complex a) { return {a.re, -a.im}; }
inline Complex times_i(Complex a) { return {-a.im, a.re}; }
inline Complex times_minus_i(Complex a) { return {a.im, -a.re}; }

// exp(-2 pi i k / 25), exp(-2 pi i k / 16).
constexpr Complex kFifth1 = {0.30901699437494742F, -0.95105651629515357F};
constexpr Complex kFifth2 = {-0.80901699437494742F, -0.58778525229247313F};
constexpr Complex k25th1 = {0.96858316112863112F, -0.24868988716485479F};
constexpr Complex k25th2 = {0.87630668004386359F, -0.48175367410171528F};
constexpr Complex k25th3 = {0.72896862742141152F, -0.68454710592868867F};
constexpr Complex k25th4 = {0.53582679497899662F, -0.84432792550201508F};
constexpr Complex k25th6 = {0.062790519529313376F, -0.99802672842827156F};
constexpr Complex k25th8 = {-0.42577929156507265F, -0.90482705246601953F};
constexpr Complex k16th1 = {0.92387953251128676F, -0.38268343236508977F};
constexpr Complex k16th2 = {0.70710678118654752F, -0.70710678118654752F};
constexpr Complex k16th3 = {0.38268343236508977F, -0.92387953251128676F};
constexpr Complex k16th6 = {-0.70710678118654752F, -0.70710678118654752F};
constexpr Complex k16th9 = {-0.92387953251128676F, 0.38268343236508977F};

// Five real samples; the third and fourth result are the second's and first's conjugates.
struct RealFive {
  float x0;
  Complex x1, x2;
};

inline RealFive five(float a, float b, float c, float d, float e) {
  const float outer = b + e, inner = c + d, outer_odd = b - e, inner_odd = c - d;
  return {a + (outer + inner),
          {a + (kFifth1.re * outer + kFifth2.re * inner),
           kFifth1.im * outer_odd + kFifth2.im * inner_odd},
          {a + (kFifth2.re * outer + kFifth1.re * inner),
           kFifth2.im * outer_odd - kFifth1.im * inner_odd}};
}

struct Five {
  Complex x0, x1, x2, x3, x4;
};

inline Five five(Complex a, Complex b, Complex c, Complex d, Complex e) {
  const RealFive re = five(a.re, b.re, c.re, d.re, e.re);
  const RealFive im = five(a.im, b.im, c.im, d.im, e.im);
  return {{re.x0, im.x0},
          re.x1 + times_i(im.x1),
          re.x2 + times_i(im.x2),
          conjugate(re.x2) + times_i(conjugate(im.x2)),
          conjugate(re.x1) + times_i(conjugate(im.x1))};
}

struct Four {
  Complex x0, x1, x2, x3;
};

inline Four four(Complex a, Complex b, Complex c, Complex d) {
  const Complex even = a + c, even_odd = a - c, odd = b + d, turned = times_i(b - d);
  return {even + odd, even_odd - turned, even - odd, even_odd + turned};
}

inline float power_of(Complex a) { return a.re * a.re + a.im * a.im; }

}  // namespace

PowerSpectrum::PowerSpectrum() : twiddle_re_{}, twiddle_im_{}, place_{} {
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    for (std::size_t row = 0; row < kRows; ++row) {
      const auto part = static_cast<std::int64_t>(lane * row);
      twiddle_re_[lane][row] = static_cast<float>(arithmetic::cos_of_turn(part, kSamples));
      twiddle_im_[lane][row] = static_cast<float>(-arithmetic::sin_of_turn(part, kSamples));
    }
  }
  for (int k = 0; k < kBins; ++k) {
    // A bin of another row has the power of its mirror image.
    const int bin = k % 25 < kRows ? k : kSamples - k;
    place_[static_cast<std::size_t>(k)] = static_cast<std::uint8_t>(bin / 25 * kLanes + bin % 25);
  }
}

// Every loop over lanes or rows does the same to each, so that compilers may do as many at a time
// as a register holds without a change of a bit.
void PowerSpectrum::of(const float* frame, float* power) const {
  float re[kLanes][kLanes] = {}, im[kLanes][kLanes] = {};  // [row][lane]
  for (int lane = 0; lane < kLanes; ++lane) {
    const float* x = frame + lane;
    const auto at = [x](int a) { return x[kLanes * a]; };
    const auto keep = [&](int row, Complex value) {
      re[row][lane] = value.re;
      im[row][lane] = value.im;
    };
    // 25 = 5 x 5: first over every fifth sample, then over these five results.
    const RealFive a = five(at(0), at(5), at(10), at(15), at(20));
    const RealFive b = five(at(1), at(6), at(11), at(16), at(21));
    const RealFive c = five(at(2), at(7), at(12), at(17), at(22));
    const RealFive d = five(at(3), at(8), at(13), at(18), at(23));
    const RealFive e = five(at(4), at(9), at(14), at(19), at(24));
    const RealFive rows0 = five(a.x0, b.x0, c.x0, d.x0, e.x0);
    keep(0, {rows0.x0, 0.0F});
    keep(5, rows0.x1);
    keep(10, rows0.x2);
    const Five rows1 = five(a.x1, b.x1 * k25th1, c.x1 * k25th2, d.x1 * k25th3, e.x1 * k25th4);
    keep(1, rows1.x0);
    keep(6, rows1.x1);
    keep(11, rows1.x2);
    keep(9, conjugate(rows1.x3));  // row 16's mirror image
    keep(4, conjugate(rows1.x4));  // row 21's
    const Five rows2 = five(a.x2, b.x2 * k25th2, c.x2 * k25th4, d.x2 * k25th6, e.x2 * k25th8);
    keep(2, rows2.x0);
    keep(7, rows2.x1);
    keep(12, rows2.x2);
    keep(8, conjugate(rows2.x3));  // row 17's
    keep(3, conjugate(rows2.x4));  // row 22's
  }

  float turned_re[kLanes][kLanes], turned_im[kLanes][kLanes];  // [lane][row]
  for (int row = 0; row < kLanes; ++row) {
    for (int lane = 0; lane < kLanes; ++lane) {
      turned_re[lane][row] = re[row][lane];
      turned_im[lane][row] = im[row][lane];
    }
  }

  float found[kLanes * kLanes];  // the power of bin row + 25 b at 16 b + row
  for (int row = 0; row < kLanes; ++row) {
    const auto at = [&](std::size_t lane) {
      return Complex{turned_re[lane][row], turned_im[lane][row]} *
             Complex{twiddle_re_[lane][static_cast<std::size_t>(row)],
                     twiddle_im_[lane][static_cast<std::size_t>(row)]};
    };
    const auto keep = [&](int first, const Four& x) {
      found[kLanes * first + row] = power_of(x.x0);
      found[kLanes * (first + 4) + row] = power_of(x.x1);
      found[kLanes * (first + 8) + row] = power_of(x.x2);
      found[kLanes * (first + 12) + row] = power_of(x.x3);
    };
    // 16 = 4 x 4, in the same way.
    const Four a = four(at(0), at(4), at(8), at(12));
    const Four b = four(at(1), at(5), at(9), at(13));
    const Four c = four(at(2), at(6), at(10), at(14));
    const Four d = four(at(3), at(7), at(11), at(15));
    keep(0, four(a.x0, b.x0, c.x0, d.x0));
    keep(1, four(a.x1, b.x1 * k16th1, c.x1 * k16th2, d.x1 * k16th3));
    keep(2, four(a.x2, b.x2 * k16th2, times_minus_i(c.x2), d.x2 * k16th6));
    keep(3, four(a.x3, b.x3 * k16th3, c.x3 * k16th6, d.x3 * k16th9));
  }
  for (std::size_t k = 0; k < kBins; ++k) {
    power[k] = found[place_[k]];
  }
}

}  // namespace dt
