"""Numbers for people: percentages, intervals, counts, times and sizes, in one form on every screen and in every table.

Files (CSV, JSON, logs) keep the raw numbers.
"""

from imgrec.settings import MIB

# NARROW NO-BREAK SPACE, as SI wants it between a number and %: "84.1" and "%" stay on one line.
THIN_SPACE = "\u202f"

# The same form for a number column of Streamlit, whose values are in percent and not in [0, 1].
PERCENT_COLUMN = f"%.1f{THIN_SPACE}%%"
# Where most numbers are small: a number column cannot say "<0.1".
FINE_PERCENT_COLUMN = f"%.2f{THIN_SPACE}%%"

# What grew by more than so many times itself is told as a multiple, not in thousands of percent.
_TIMES = 9.5

SIZE_COLUMN = "%,.0f MiB"


def percent(share: float, decimals: int = 1) -> str:
    """Return a share in [0, 1] as a percentage that is 0 or 100 only if the share is exactly that.

    >>> [percent(share).replace(THIN_SPACE, " ") for share in (0.8412, 0.0004, 0.9997, 1.0, 0.0)]
    ['84.1 %', '<0.1 %', '>99.9 %', '100.0 %', '0 %']
    >>> [percent(share, 0).replace(THIN_SPACE, " ") for share in (0.574, 0.004, 0.996)]
    ['57 %', '<1 %', '>99 %']
    """
    if share <= 0:
        return f"0{THIN_SPACE}%"
    step = 10**-decimals
    if share < step / 100:
        return f"<{step:.{decimals}f}{THIN_SPACE}%"
    figure = f"{share * 100:.{decimals}f}"
    if float(figure) == 100 and share < 1:
        return f">{100 - step:.{decimals}f}{THIN_SPACE}%"
    return f"{figure}{THIN_SPACE}%"


def interval(low: float, high: float, decimals: int = 1) -> str:
    """Return an interval of shares in [0, 1] in percent; ends of exactly 0 and 1 without decimals.

    >>> interval(0.722, 1.0).replace(THIN_SPACE, " "), interval(0.9349, 0.9441).replace(THIN_SPACE, " ")
    ('72.2–100 %', '93.5–94.4 %')
    """
    ends = (f"{end * 100:.0f}" if end in (0, 1) else f"{end * 100:.{decimals}f}" for end in (low, high))
    return f"{'–'.join(ends)}{THIN_SPACE}%"


def change(before: float, after: float) -> str:
    """Return the difference of two shares in percentage points, with its sign; 0 only if they are equal.

    >>> [change(0.831, after) for after in (0.014, 0.8308, 0.831, 0.8314, 0.95)]
    ['−81.7', '>−0.1', '0', '<+0.1', '+11.9']
    >>> change(0.0001, 0.0009)
    '<+0.1'
    """
    points = (after - before) * 100
    if points == 0:
        return "0"
    if abs(points) < 0.05 or (0 < before < 1 and 0 < after < 1 and percent(before) == percent(after)):
        return "<+0.1" if points > 0 else ">−0.1"
    return f"{'+' if points > 0 else '−'}{abs(points):,.1f}"


def relative_change(before: float, after: float) -> str:
    """Return by how much of itself a share changed; −100 only if nothing is left, large growth as a multiple.

    >>> [relative_change(0.5, after).replace(THIN_SPACE, " ") for after in (0.25, 0.0001, 0, 0.5)]
    ['−50.0 %', '<−99.9 %', '−100.0 %', 'unchanged']
    >>> [relative_change(before, 0.5).replace(THIN_SPACE, " ") for before in (0.01, 1e-6)]
    ['× 50', '>× 1,000']
    """
    share = (after - before) / before if before else 0.0
    if abs(share) < 5e-4:
        return "unchanged"
    if share >= _TIMES:
        times = after / before
        return f">×{THIN_SPACE}1,000" if times > 1000 else f"×{THIN_SPACE}{times:,.0f}"
    figure = change(0, share)
    return f"<−99.9{THIN_SPACE}%" if figure == "−100.0" and after > 0 else f"{figure}{THIN_SPACE}%"


def signed(number: float) -> str:
    """Return a number to three digits with the sign that stands between figures.

    >>> signed(-0.12345), signed(12.0)
    ('−0.123', '12')
    """
    return f"{number:.3g}".replace("-", "−")


def integer(number: int) -> str:
    """Return a whole number with its thousands set apart.

    >>> integer(4253864)
    '4,253,864'
    """
    return f"{number:,}"


def milliseconds(number: float) -> str:
    """Return a time in milliseconds, to a tenth below 100; from ten seconds on as `duration`.

    >>> milliseconds(0.01), milliseconds(8.44), milliseconds(1234.5), milliseconds(80_206)
    ('<0.1 ms', '8.4 ms', '1,234 ms', '1 min 20 s')
    """
    if number >= 10_000:
        return duration(number / 1000)
    if 0 < number < 0.05:
        return "<0.1 ms"
    return f"{number:.1f} ms" if number < 99.95 else f"{number:,.0f} ms"


def duration(seconds: float) -> str:
    """Return a time to two units, or to a tenth of a second where those count.

    >>> duration(0.42), duration(8), duration(95), duration(7_300)
    ('0.4 s', '8.0 s', '1 min 35 s', '2 h 1 min')
    """
    if 0 < seconds < 0.05:
        return "<0.1 s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size(count_bytes: int) -> str:
    """Return a number of bytes in MiB or GiB.

    >>> size(16 * MIB), size(1536 * MIB)
    ('16 MiB', '1.5 GiB')
    """
    mebibytes = count_bytes / MIB
    if mebibytes >= 1000:
        return f"{mebibytes / 1024:.1f} GiB"
    return f"{mebibytes:.0f} MiB" if mebibytes >= 10 or count_bytes == 0 else f"{mebibytes:.1f} MiB"
