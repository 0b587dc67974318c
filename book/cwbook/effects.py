"""What the decisions of book/results/decisions.json were measured to be worth, by their ids.

Each effect is a function from the results to words. Where a number stands only in a chapter's
stored output, `r.printed` reads it there: `#` in its pattern is the number.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import mean, stdev

from cwbook.claims import RATE, psnr_of
from cwbook.ledger import Results

EFFECTS: dict[str, Callable[[Results], str]] = {}


def effect(id: str) -> Callable:
    """Say which decision a function is about."""

    def of(words: Callable[[Results], str]) -> Callable[[Results], str]:
        EFFECTS[id] = words
        return words

    return of


@effect("01")  # Is a rate the size of a file, or a sum of code lengths?
def _01(r):
    cw_words = r.one("mnist", "mnist-cw", kind="paper-accounting")
    cw = r.one("mnist", "mnist-cw")
    net = r.one("kodak", "kodak-mstar-n64")
    return (
        f"digits, `mnist-cw`: {cw_words['bpp']:.4f} bpp as words without header or table, "
        f"{cw['bpp']:.4f} as a file; photographs: {net['estimated_bpp']:.4f} estimated, "
        f"{net['bpp']:.4f} as a file"
    )


@effect("02")  # Which images, and how many?
def _02(r):
    cae_errors = [row["mse"] for row in r.records("mnist", "mnist-cae", image=list(range(10)))]
    return (
        f"squared error of the CAE on the first ten test digits: {min(cae_errors):.1f} to "
        f"{max(cae_errors):.1f}"
    )


@effect("03")  # The mean of the PSNRs, or the PSNR of the mean error?
def _03(r):
    cw = r.one("mnist", "mnist-cw")
    net = r.one("kodak", "kodak-mstar-n64")
    return (
        f"digits, `mnist-cw`: {cw['psnr']:.2f} against {psnr_of(cw['mse']):.2f} dB; "
        f"photographs: {net['psnr']:.2f} against {psnr_of(net['mse']):.2f} dB"
    )


@effect("04")  # How is a 28×28 digit enlarged to 128×128?
def _04(r):
    png = r.printed("mnist/01-task", "solution-4", r"png\s+#")
    nearest_png = r.printed("mnist/01-task", "solution-4", r"png\s+\S+ bpp, MSE\s+\d+\s+#")
    jpeg = r.printed("mnist/01-task", "solution-4", r"jpeg\s+#")
    nearest_jpeg = r.printed("mnist/01-task", "solution-4", r"jpeg\s+\S+ bpp, MSE\s+\d+\s+#")
    return (
        f"lossless PNG at 128×128: {png:.3f} bpp as we do it, {nearest_png:.3f} with nearest "
        f"neighbours; JPEG {jpeg:.3f} and {nearest_jpeg:.3f}"
    )


@effect("05")  # One training run, or several?
def _05(r):
    cw1_psnr = r.seeds("psnr", "tiny-cw1-l0.003")
    small_m_psnr = r.seeds("psnr", "small-m", study="selection")
    return (
        f"spread over seeds (standard deviation): {stdev(cw1_psnr):.2f} dB for a small digit "
        f"network, {stdev(small_m_psnr):.2f} dB for a small photograph network"
    )


@effect("09")  # Batch normalisation behind the output layer, as Fig. 2 draws it?
def _09(r):
    with_norm = r.printed("mnist/02-cae", "last-norm-words", "# dB with the BN")
    without = r.printed("mnist/02-cae", "last-norm-words", "# dB without")
    return f"after a few dozen steps: {with_norm:.1f} dB with it, {without:.1f} dB without"


@effect("12")  # How does a residual unit start?
def _12(r):
    ahead = r.printed("mnist/03-resnet", "train-gamma-words", "# dB ahead")
    return f"over the last of sixteen steps, 0.1 against 1: {ahead:+.1f} dB"


@effect("15")  # Where does the map's gradient come from?
def _15(r):
    right = r.printed("mnist/04-importance", "slope-real-verdict", r"right for \*\*#%")
    return f"its sign agrees with a real change at {right:.0f} % of the places"


@effect("17")  # Does the file hold the map?
def _17(r):
    zeros = r.printed("mnist/04-importance", "count-verdict", r"real files \| #")
    kept = r.printed("mnist/04-importance", "count-verdict", r"map at its entropy \| #")
    return (
        f"`mnist-cw`: {zeros:.4f} bpp filled with zeros, {kept:.4f} as kept bits with the map at "
        "its entropy"
    )


@effect("19")  # A mask of bits, or of channels?
def _19(r):
    bits_psnr = r.seeds("psnr", "tiny-bits")
    bits_rans_bpp = r.seeds("rans_bpp", "tiny-bits")
    largest_psnr = r.seeds("psnr", "tiny-largest")
    separate_psnr = r.seeds("psnr", "tiny-separate")
    separate_rans_bpp = r.seeds("rans_bpp", "tiny-separate")
    first_rans_bpp = r.seeds("rans_bpp", "tiny-first")
    return (
        f"at 0.15 bpp of code bits allowed: bits {mean(bits_psnr):.2f} dB in "
        f"{mean(bits_rans_bpp):.3f} bpp, channels {mean(largest_psnr):.2f} to "
        f"{mean(separate_psnr):.2f} dB in {mean(separate_rans_bpp):.3f} to "
        f"{mean(first_rans_bpp):.3f} bpp"
    )


@effect("20")  # Against what is a map measured?
def _20(r):
    cw1_bpp = r.seeds("bpp", "tiny-cw1-l0.003")
    cw1_psnr = r.seeds("psnr", "tiny-cw1-l0.003")
    uniform_3_bpp = r.seeds("bpp", "tiny-uniform-3")
    uniform_3_psnr = r.seeds("psnr", "tiny-uniform-3")
    return (
        f"at λ = 0.003: with a map {mean(cw1_bpp):.4f} bpp and {mean(cw1_psnr):.2f} dB, 3 "
        f"bits everywhere {mean(uniform_3_bpp):.4f} bpp and {mean(uniform_3_psnr):.2f} dB"
    )


@effect("21")  # Which optimiser, batches and schedule?
def _21(r):
    between = r.printed("mnist/05-training", "race-verdict", "# dB lie between")
    momentum = r.printed("mnist/05-training", "race-verdict", "SGD by # dB")
    return (
        f"after forty steps of a small network: {between:.1f} dB between the best and the worst of "
        f"four, momentum worth {momentum:+.1f} dB"
    )


@effect("23")  # How does a gradient pass the quantiser?
def _23(r):
    ste_psnr = r.seeds("psnr", "tiny-ste")
    noise_psnr = r.seeds("psnr", "tiny-noise")
    soft_psnr = r.seeds("psnr", "tiny-soft")
    return (
        f"at 2 bits: straight-through {mean(ste_psnr):.2f} dB, noise {mean(noise_psnr):.2f} "
        f"dB, soft-to-hard {mean(soft_psnr):.2f} dB"
    )


@effect("24")  # Which soft quantiser, and what hardens it?
def _24(r):
    soft_proxy_psnr = r.seeds("proxy_psnr", "tiny-soft")
    soft_hard_psnr = r.seeds("hard_psnr", "tiny-soft")
    soft_fixed_proxy_psnr = r.seeds("proxy_psnr", "tiny-soft-fixed")
    soft_fixed_hard_psnr = r.seeds("hard_psnr", "tiny-soft-fixed")
    return (
        f"learnt levels promise {mean(soft_proxy_psnr):.1f} dB and give "
        f"{mean(soft_hard_psnr):.1f}, fixed ones {mean(soft_fixed_proxy_psnr):.1f} and "
        f"{mean(soft_fixed_hard_psnr):.1f}"
    )


@effect("25")  # Why should the map keep few bits?
def _25(r):
    cw = r.one("mnist", "mnist-cw")
    cw1 = r.one("mnist", "mnist-cw1")
    return f"kept of 6 bits: {cw['kept_bits']:.2f} without a price, {cw1['kept_bits']:.2f} with one"


@effect("26")  # Whose Huffman table is it, and where is it?
def _26(r):
    shared = r.printed("coding/02-huffman", "paper-price", r"one table for all digits \| #")
    own = r.printed("coding/02-huffman", "paper-price", r"own table, sent \| #")
    adaptive = r.printed("coding/02-huffman", "paper-price", r"adaptive counts, ideal words \| #")
    thrown_away = r.printed("coding/02-huffman", "paper-price", r"not in the file \| #")
    return (
        f"`mnist-cw`, 40 digits: {shared:.4f} bpp with one shared table, {own:.4f} with an own "
        f"table sent, {adaptive:.4f} with adaptive counts, {thrown_away:.4f} with an own table "
        "thrown away"
    )


@effect("27")  # What would a better coder know?
def _27(r):
    cw = r.one("claims", "mnist-cw", kind="adaptive")
    return (
        f"`mnist-cw`: {cw['huffman_bpp']:.4f} bpp in Huffman words, {cw['bpp']:.4f} with "
        "adaptive counts after each different symbol"
    )


@effect("28")  # How precise are the probability tables?
def _28(r):
    coarse = r.printed("coding/05-tables", "precision-verdict", r"costs \*\*# %")
    fine = r.printed("coding/05-tables", "precision-verdict", r"65,536 it costs \*\*# %")
    return f"loss over the entropy: {coarse:.2f} % with 256 counts, {fine:.4f} % with 65,536"


@effect("30")  # How does a probability become a count?
def _30(r):
    rounded = r.printed("coding/05-tables", "precision-verdict", r"65,536 it costs \*\*# %")
    remainders = r.printed(
        "coding/05-tables", "precision-verdict", r"remainders cost \S+ % and # %"
    )
    return (
        f"at 16 bits: {rounded:.4f} % over the entropy, with largest remainders {remainders:.4f} %"
    )


@effect("31")  # How many scales have tables, and which?
def _31(r):
    loss = r.printed("coding/05-tables", "grid-verdict", "nearest of 64 tables costs #")
    return f"taking the nearest of 64 costs {loss:.6f} bits a value near scale 1"


@effect("32")  # Arithmetic coding or rANS?
def _32(r):
    arithmetic = r.printed("coding/04-rans", "overhead-digits", r"`mnist-cw1` \| \S+ \| \S+ \| #")
    rans = r.printed("coding/04-rans", "overhead-digits", r"`mnist-cw1` \| \S+ \| \S+ \| \S+ \| #")
    huffman = r.printed("coding/04-rans", "overhead-digits", r"`mnist-cw1` \| \S+ \| #")
    return (
        f"bytes for a digit of `mnist-cw1` with one table: arithmetic {arithmetic:.1f}, "
        f"rANS {rans:.1f}, Huffman {huffman:.1f}"
    )


@effect("33")  # How do encoder and decoder agree on probabilities?
def _33(r):
    others = r.printed("kodak/04-hyperprior", "whole-verdict", "At most # %")
    times = r.printed("kodak/04-hyperprior", "float-verdict", "another table # times")
    codings = r.printed("kodak/04-hyperprior", "float-verdict", "in # codings")
    return (
        f"at most {others:.2f} % of the tables are others than with floats; with floats, another "
        f"order of sums chose another table {times:.0f} times in {codings:.0f} codings"
    )


@effect("36")  # Which of the four layers has stride 1?
def _36(r):
    dearer = r.printed("kodak/01-architecture", "count-verdict", r"costs \*\*# times")
    return f"four different scales cost {dearer:.1f} times as much at N = 128"


@effect("40")  # Are the laterals masked, quantised and counted?
def _40(r):
    net = r.one("claims", "kodak-mstar-n64", kind="map")
    return f"they take {net['laterals_share']:.0%} of the latents' bits"


@effect("45")  # How are GDN's parameters kept positive, and where do they start?
def _45(r):
    maximum = r.printed("kodak/02-gdn", "stuck-verdict", "traps it at #")
    ours = r.printed("kodak/02-gdn", "stuck-verdict", "comes back to #")
    return (
        f"a parameter pushed below zero ends at {maximum:.3f} behind a maximum, at {ours:.2f} "
        "behind ours; the loss wants 0.5"
    )


@effect("46")  # In which precision?
def _46(r):
    share = r.printed(
        "kodak/05-training", "bf16-latents", r"latents stored in bfloat16 \| \S+ \| \S+ \| #"
    )
    return (
        f"latents of one picture that round to another number if stored in 16 bits: {share:.2f} %"
    )


@effect("49")  # Which end is cut?
def _49(r):
    turned = r.printed("kodak/03-importance", "solution-3", "difference of # dB")
    return f"the mask turned round changes the PSNR of a trained network by {turned:+.1f} dB"


@effect("52")  # When is a choice adaptive?
def _52(r):
    net = r.one("claims", "kodak-mstar-n64", kind="map")
    return f"channels ever chosen on {net['images']:.0f} photographs: {net['winners']:.0f}"


@effect("55")  # Where does the mask start?
def _55(r):
    net = r.one("claims", "kodak-mstar-n64", kind="map")
    return f"at the end of training it keeps {net['kept']:.1%} of the channels"


@effect("57")  # Which of the models of [27]?
def _57(r):
    least = r.printed("kodak/04-hyperprior", "tables-verdict", r"saves \*\*# to")
    most = r.printed("kodak/04-hyperprior", "tables-verdict", r"saves \*\*\d+ to # %")
    return f"it saves {least:.0f} to {most:.0f} % against one table for each channel"


@effect("59")  # Is the side information counted?
def _59(r):
    least = r.printed("kodak/04-hyperprior", "tables-verdict", "side information is # to")
    most = r.printed("kodak/04-hyperprior", "tables-verdict", r"side information is \S+ to # %")
    return f"it is {least:.1f} to {most:.1f} % of the file"


@effect("60")  # What of a channel that is zero everywhere?
def _60(r):
    least = r.printed("kodak/04-hyperprior", "live-verdict", "bits bring # to")
    most = r.printed("kodak/04-hyperprior", "live-verdict", r"bits bring \S+ to #")
    faster = r.printed("kodak/04-hyperprior", "live-verdict", "reads # times")
    return f"{least:+.0f} to {most:+.0f} bytes saved; the decoder reads {faster:.0f} times as fast"


@effect("62")  # On which scale is the distortion?
def _62(r):
    net = r.one("kodak", "kodak-mstar-n64")
    return (
        f"λ₂ = {net['lambda_2']:g} gives {net['bpp']:.3f} bpp; between 0 and 1 it would "
        "weigh 65,025 times less"
    )


@effect("64")  # May the feature loss train the encoder?
def _64(r):
    less = r.printed("kodak/05-training", "feature-verdict", r"vary \*\*# times less")
    more = r.printed("kodak/05-training", "feature-verdict", "vary # times as much")
    return (
        f"with this term alone: if it may, the features end up {less:.1f} times less varied; if "
        f"not, {more:.1f} times as varied as at first"
    )


@effect("66")  # Which models have the feature loss?
def _66(r):
    net = r.one("claims", "kodak-mstar-n64", kind="map")
    return (
        f"at λ₁ = 10 it would be {net['feature_share']:.2%} of the distortion of the shipped "
        "network"
    )


@effect("70")  # How are the baselines set?
def _70(r):
    jpeg2000_psnr = r.at(RATE, "psnr", "baselines", "jpeg2000", dataset="kodak")
    jpeg2000_53_psnr = r.at(RATE, "psnr", "baselines", "jpeg2000-53", dataset="kodak")
    jpeg_standard_7 = r.one("claims", "jpeg-standard", kind="fig3", image=7)
    return (
        f"JPEG 2000 at 0.361 bpp: {jpeg2000_psnr:.2f} dB, with the default wavelet "
        f"{jpeg2000_53_psnr:.2f}; JPEG of kodim07 at its lowest quality: "
        f"{jpeg_standard_7['own_tables_bpp']:.3f} bpp, with the standard's tables "
        f"{jpeg_standard_7['bpp']:.3f}"
    )


@effect("71")  # MS-SSIM of the colours, or of brightness?
def _71(r):
    jpeg_standard_5 = r.one("claims", "jpeg-standard", kind="fig3", image=5)
    return (
        f"the paper's JPEG of kodim05: {jpeg_standard_5['ms_ssim']:.4f} of colours, "
        f"{jpeg_standard_5['ms_ssim_luma']:.4f} of brightness; the paper has 0.8843"
    )


@effect("72")  # One setting for all photographs, or one rate?
def _72(r):
    apart = r.printed("kodak/06-results", "protocol-verdict", "by # dB on average")
    return f"the same JPEG, mean of the two ways of averaging: {apart:.2f} dB apart"


@effect("75")  # What about other pictures?
def _75(r):
    ours = r.printed("kodak/07-yours", "fails-table", r"chessboard \| #")
    webp = r.printed("kodak/07-yours", "fails-table", r"chessboard \|.*\| # \|")
    return f"a chessboard: {ours:,.0f} bytes, where WebP takes {webp:,.0f} without any loss"
