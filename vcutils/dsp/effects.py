"""What finishing does to a sound, and the measures it goes by: noise, tone, dynamics, room, loudness, peaks, fades, mixing.

The high-pass filter is `vcutils.dsp.features.highpass`: the analysis needs it too. Nothing here moves a sound in time.
"""
import librosa
import noisereduce
import numpy as np
import pedalboard
import pyloudnorm
import scipy.fft
import scipy.ndimage
import scipy.signal

SILENCE_LUFS = -70.0  # ITU-R BS.1770's own gate: nothing below it counts as sound
SIBILANCE = 5000.0  # Hz: above it "s" and its like have their energy, and vowels little
EQ_BANDS = {
    "bass": (pedalboard.LowShelfFilter, 200.0),  # Hz: where a low shelf starts to work
    "presence": (pedalboard.PeakFilter, 3500.0),  # the centre of a bell two octaves wide: the clearness of words
    "air": (pedalboard.HighShelfFilter, 8000.0),  # breath and brilliance
}
# How the reverberation time of a furnished room depends on frequency: a factor at each octave. Air and cloth swallow treble.
_DECAY = {125.0: 1.2, 250.0: 1.1, 500.0: 1.0, 1000.0: 1.0, 2000.0: 0.85, 4000.0: 0.6, 8000.0: 0.4}
_BLOCK = 2**20  # samples of a long sound that are worked on at once


def measure_loudness(y, *, sr):
    """Integrated loudness: one number for how loud a whole sound is, pauses left out.

    Parameters
    ----------
    y : np.ndarray [shape=(n,) or (n_channels, n)]
    sr : int
        Hz.

    Returns
    -------
    float
        LUFS, at least `SILENCE_LUFS`. A sound shorter than the standard's block of 0.4 s is measured as one block.

    References
    ----------
    .. [1] ITU-R BS.1770-4, "Algorithms to measure audio programme loudness and true-peak audio level", 2015.
    .. [2] C. Steinmetz and J. Reiss, "pyloudnorm: A simple yet flexible loudness meter in Python", AES 150, 2021.

    Examples
    --------
    >>> y = librosa.tone(997, sr=48000, length=48000)
    >>> round(measure_loudness(y, sr=48000))
    -3
    """
    n, minute = y.shape[-1], 60 * sr
    if not np.any(y):
        return SILENCE_LUFS
    # half a sample less than the sound, as the product with the rate may be rounded up
    meter = pyloudnorm.Meter(sr, block_size=min(0.4, (n - 0.5) / sr))
    blocks = []  # a minute at a time, as the meter works in float64; one starts every 0.1 s
    for start in range(0, max(n - int(0.35 * sr), 1), minute):
        lead = int(0.1 * sr) if start else 0  # the meter's filter has forgotten by then that it started anew
        meter.integrated_loudness(np.asarray(y[..., start - lead : start + minute + int(0.3 * sr)], dtype=float).T)
        blocks.append(meter.blockwise_loudness[bool(start) :])
    power = librosa.db_to_power(np.concatenate(blocks))
    power = power[power >= librosa.db_to_power(SILENCE_LUFS)]
    if not len(power):
        return SILENCE_LUFS
    return float(librosa.power_to_db(power[power > power.mean() / 10].mean()))  # blocks 10 LU below the mean are pauses


def true_peak(y):
    """The highest peak of the continuous wave that the samples stand for.

    It may lie between two samples, so it is looked for at four times the rate. Near half the rate even that may read
    0.7 dB too little: one more reason to leave a dB of room.

    Parameters
    ----------
    y : np.ndarray [shape=(n,) or (n_channels, n)]

    Returns
    -------
    float
        dBTP: dB relative to full scale; -inf for silence.

    References
    ----------
    .. [1] ITU-R BS.1770-4, annex 2.

    Examples
    --------
    >>> y = np.sin(np.pi / 2 * np.arange(1000) + np.pi / 4)  # every sample misses the peak by 3 dB
    >>> bool(abs(20 * np.log10(np.abs(y).max()) + 3) < 0.1), bool(abs(true_peak(y[100:-100])) < 0.3)
    (True, True)
    """
    with np.errstate(divide="ignore"):
        return float(20 * np.log10(_peaks(y).max()))


def _peaks(y):
    """The highest absolute value around each sample, over all channels, seen at four times the rate."""
    peaks = np.zeros(y.shape[-1], dtype=np.result_type(y, np.float32))
    for start in range(0, len(peaks), _BLOCK):
        first = max(start - 32, 0)  # the filter reaches ten samples to either side
        for channel in np.atleast_2d(y):
            over = np.abs(scipy.signal.resample_poly(channel[first : start + _BLOCK + 32], 4, 1)).reshape(-1, 4).max(axis=1)
            part = peaks[start : start + _BLOCK]
            np.maximum(part, over[start - first :][: len(part)], out=part)
    return peaks


def long_term_spectrum(y, *, sr, n_fft=2048, n_mels=40):
    """Long-term average spectrum: the colour of a voice once all words have passed.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
    sr, n_fft, n_mels : int

    Returns
    -------
    frequencies : np.ndarray [shape=(n_mels,)]
        Centres of the mel bands in Hz.
    spectrum : np.ndarray [shape=(n_mels,)]
        Mean power per band in dB, at most 80 dB below the highest; the mean over the bands is 0, so that sounds of
        different level can be compared.

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal(32000)
    >>> frequencies, spectrum = long_term_spectrum(noise, sr=16000)
    >>> bool(np.ptp(spectrum) < 2)  # white noise: the same density everywhere
    True
    """
    power = librosa.feature.melspectrogram(y=y, sr=sr, n_fft=n_fft, n_mels=n_mels).mean(axis=1)
    spectrum = librosa.power_to_db(power, ref=np.max, amin=1e-20)
    return librosa.mel_frequencies(n_mels + 2, fmax=sr / 2)[1:-1], spectrum - spectrum.mean()


def reduce_noise(y, *, sr, strength=0.5):
    """Turn down, band by band, what is no louder than the noise in the longest pause.

    The 0.3 quietest seconds tell what the noise is. If they are not at least 10 dB quieter than the whole, there is
    no pause to learn from, and `y` comes back unchanged.

    Measured on three clean voices with white noise added: at 20 dB SNR the default gains 1.5 to 2.5 dB of SNR,
    at 10 dB 3 to 4 dB; on the clean voices it leaves an error 28 to 47 dB below the voice. Learning the noise from
    the whole clip, the package's default, takes held notes for noise: an error only 15 dB below the voice.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
    sr : int
        Hz.
    strength : float
        0 changes nothing, 1 removes all that is taken for noise; 0.5 turns it down by 6 dB.

    Returns
    -------
    np.ndarray [shape=(n,)]

    References
    ----------
    .. [1] T. Sainburg, M. Thielk and T. Gentner, "Finding, visualizing, and quantifying latent structure across
       diverse animal vocal repertoires", PLOS Computational Biology 16(10), 2020 (the package noisereduce).

    Examples
    --------
    >>> hiss = 0.01 * np.random.default_rng(0).standard_normal(32000)
    >>> y = hiss + np.where(np.arange(32000) < 16000, 0, librosa.tone(440, sr=16000, length=32000))
    >>> quieter = reduce_noise(y, sr=16000)
    >>> bool(quieter[:12000].std() < 0.6 * y[:12000].std())
    True
    """
    window = min(int(0.3 * sr), len(y))
    energy = np.zeros(len(y) + 1)
    np.cumsum(np.square(y, dtype=float), out=energy[1:])
    runs = energy[window:] - energy[:-window]
    start = int(np.argmin(runs))
    if runs[start] / window > 0.1 * energy[-1] / len(y):
        return y
    del energy, runs
    n_fft = 2 ** round(np.log2(0.032 * sr))  # 32 ms: short enough not to smear consonants
    return noisereduce.reduce_noise(
        y, sr, stationary=True, y_noise=y[start : start + window], prop_decrease=strength, n_fft=n_fft, freq_mask_smooth_hz=200
    ).astype(np.float32)


def _convolve(y, response):
    """`y` [shape=(n,)] through an impulse response [shape=(m,)], piece by piece, as transforms take room: [shape=(n + m - 1,)]."""
    out = np.zeros(len(y) + len(response) - 1, dtype=np.float32)
    for start in range(0, len(y), _BLOCK):
        piece = scipy.signal.oaconvolve(y[start : start + _BLOCK], response)
        out[start : start + len(piece)] += piece
    return out


def deess(y, *, sr, depth_db=6.0):
    """Turn "s" and "sh" down where they stick out, and nothing else.

    A zero-phase filter splits off what lies above `SIBILANCE`. In an "s" that is more than all the rest, in a vowel a
    hundredth of it. Where it has more than a quarter of the power of the rest, it is turned down, the further the more,
    at most by `depth_db`, and put back in its place. The level of the voice does not matter.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
    sr : int
        Hz; up to 11 kHz there is next to nothing to turn down, and `y` comes back unchanged.
    depth_db : float

    Returns
    -------
    np.ndarray [shape=(n,)]

    References
    ----------
    .. [1] U. Zoelzer (ed.), "DAFX: Digital Audio Effects", 2nd ed., Wiley 2011, chapter 4.

    Examples
    --------
    >>> hiss = 0.1 * librosa.tone(6000, sr=16000, length=16000).astype(np.float32)
    >>> float(round(20 * np.log10(deess(hiss, sr=16000).std() / hiss.std()), 1))
    -6.0
    """
    if SIBILANCE >= 0.45 * sr:
        return y
    taps = 2 * int(0.002 * sr) + 1  # 4 ms: the edge is some 800 Hz wide
    kernel = scipy.signal.firwin(taps, SIBILANCE, pass_zero=False, fs=sr).astype(np.float32)
    above = _convolve(y, kernel)[taps // 2 :][: len(y)]  # the middle of the kernel is time zero
    hop = max(1, int(0.0025 * sr))
    # over 20 ms, so that the gaps between the pulses of a deep voice do not look like an "s"
    hiss, rest = (scipy.ndimage.uniform_filter1d(_power(x, hop), 8, mode="nearest") for x in (above, y - above))
    excess_db = 10 * np.log10((hiss + 1e-12) / (0.25 * rest + 1e-12))
    above *= _per_sample(10 ** (-np.clip(excess_db, 0, depth_db) / 20), hop, len(y), half=1) - 1
    return (y + above).astype(np.float32, copy=False)


def compress(y, *, sr, ratio=3.0, threshold_db=0.0, attack=0.005, release=0.1):
    """Make loud notes quieter, so that soft ones can be heard over a backing.

    What exceeds the threshold by `ratio` dB exceeds it by 1 dB afterwards. The gain only follows the voice and looks
    nothing up ahead, so nothing is delayed. The sound gets quieter on the whole; set the loudness afterwards.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
    sr : int
        Hz.
    ratio : float
        1 changes nothing.
    threshold_db : float
        Relative to the loudness of the whole, so that it fits a quiet recording as well as a loud one.
    attack, release : float
        Seconds in which the gain follows a rise and a fall of the level.

    Returns
    -------
    np.ndarray [shape=(n,)]

    References
    ----------
    .. [1] D. Giannoulis, M. Massberg and J. Reiss, "Digital dynamic range compressor design: a tutorial and
       analysis", J. Audio Eng. Soc. 60(6), 2012.

    Examples
    --------
    >>> y = librosa.tone(440, sr=16000, length=32000) * np.where(np.arange(32000) < 16000, 0.8, 0.2)  # 12 dB apart
    >>> z = compress(y.astype(np.float32), sr=16000, ratio=3, threshold_db=-20)
    >>> float(round(20 * np.log10(z[8000:16000].std() / z[24000:].std())))
    4.0
    """
    threshold_db = measure_loudness(y, sr=sr) + threshold_db
    return pedalboard.Compressor(threshold_db=threshold_db, ratio=ratio, attack_ms=1000 * attack, release_ms=1000 * release)(y, sr)


def equalize(y, *, sr, bass=0.0, presence=0.0, air=0.0):
    """Raise or lower three regions of the spectrum: the bands of `EQ_BANDS`.

    Each filter runs forth and back with half the gain, so that no frequency is moved in time.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
    sr : int
        Hz; a band at or above half of it is left out.
    bass, presence, air : float
        dB: far below 200 Hz (half as many at 200 Hz), around 3500 Hz, far above 8000 Hz.

    Returns
    -------
    np.ndarray [shape=(n,)]

    Examples
    --------
    >>> y = 0.1 * librosa.tone(3500, sr=16000, length=16000).astype(np.float32)
    >>> float(round(20 * np.log10(equalize(y, sr=16000, presence=3, air=6).std() / y.std()), 1))
    3.0
    """
    gains = {"bass": bass, "presence": presence, "air": air}
    filters = [kind(cutoff, gains[band] / 2) for band, (kind, cutoff) in EQ_BANDS.items() if gains[band] and cutoff < sr / 2]
    if not filters:
        return y
    board = pedalboard.Pedalboard(filters)
    for _ in range(2):
        y = np.ascontiguousarray(board(np.ascontiguousarray(y), sr)[::-1])
    return y


def pan(y, position):
    """Place a mono sound between the left and the right loudspeaker, with the same power wherever it stands.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
    position : float
        -1 is left, 0 the middle, 1 right.

    Returns
    -------
    np.ndarray [shape=(2, n)]

    Examples
    --------
    >>> pan(np.ones(1), -1).round(3).T.tolist(), pan(np.ones(1), 0).round(3).T.tolist()
    ([[1.0, 0.0]], [[0.707, 0.707]])
    """
    angle = (position + 1) * np.pi / 4
    return np.stack([y * np.float32(np.cos(angle)), y * np.float32(np.sin(angle))])


def room_response(t60, *, sr, predelay=0.02, seed=0):
    """What two microphones in a room would hear of a clap: the impulse response of a room that was never built.

    After a pause, a dozen early reflections from walls at either side, and then so many echoes that they are noise
    which dies away, treble sooner than bass. The clap itself is not in it.

    Parameters
    ----------
    t60 : float
        Reverberation time: seconds in which the echo falls by 60 dB, in the octaves at 500 and 1000 Hz.
    sr : int
        Hz.
    predelay : float
        Seconds until the first echo: how far away the walls are.
    seed : int

    Returns
    -------
    np.ndarray [shape=(2, n)]
        Left and right; its energy is 1.

    References
    ----------
    .. [1] J. A. Moorer, "About this reverberation business", Computer Music Journal 3(2), 1979.

    Examples
    --------
    >>> response = room_response(1.0, sr=16000)
    >>> response.shape, bool(abs(measure_t60(response, sr=16000) - 1) < 0.1)
    ((2, 19520), True)
    """
    rng = np.random.default_rng(seed)
    start, n = int(predelay * sr), int(max(_DECAY.values()) * t60 * sr)
    spectrum = scipy.fft.rfft(rng.standard_normal((2, n)))
    octave = np.log2(np.maximum(scipy.fft.rfftfreq(n, 1 / sr), 1.0))
    t, tail = np.arange(n) / sr, 0.0
    for share, factor in zip(np.eye(len(_DECAY)), _DECAY.values()):  # neighbouring bands overlap and add up to one
        tail = tail + scipy.fft.irfft(spectrum * np.interp(octave, np.log2(list(_DECAY)), share), n) * 10 ** (-3 * t / t60 / factor)
    response = np.zeros((2, start + n), dtype=np.float32)
    response[:, start:] = tail / np.sqrt(np.sum(tail**2))
    last = min(int(0.06 * sr), n)
    for side in response:
        when = rng.integers(last, size=12)
        side[start + when] += 0.2 * rng.choice([-1, 1], 12) * 10 ** (-3 * when / sr / t60)  # they lose as much on their way as the rest
    return response / np.sqrt(np.sum(response**2))


def measure_t60(response, *, sr):
    """The reverberation time of an impulse response.

    Schroeder's integral, the energy that is still to come, falls along a straight line if the echo dies away evenly.
    The line from -5 to -35 dB is prolonged to 60 dB; the mean over channels and over the octaves at 500 and 1000 Hz
    is the figure that is given for a room.

    Parameters
    ----------
    response : np.ndarray [shape=(n,) or (n_channels, n)]
    sr : int
        Hz.

    Returns
    -------
    float
        Seconds.

    References
    ----------
    .. [1] M. R. Schroeder, "New method of measuring reverberation time", JASA 37(3), 1965.
    .. [2] ISO 3382-1, "Measurement of room acoustic parameters", 2009.

    Examples
    --------
    >>> decay = np.random.default_rng(0).standard_normal(16000) * 10 ** (-3 * np.arange(16000) / 16000 / 0.5)
    >>> bool(abs(measure_t60(decay, sr=16000) - 0.5) < 0.05)
    True
    """
    times = []
    for centre in (500, 1000):
        octave = scipy.signal.butter(3, (centre / np.sqrt(2), centre * np.sqrt(2)), "bandpass", fs=sr, output="sos")
        for channel in np.atleast_2d(response):
            to_come = np.cumsum(scipy.signal.sosfilt(octave, channel)[::-1] ** 2)[::-1]
            level = librosa.power_to_db(to_come, ref=to_come[0], top_db=None, amin=1e-30)
            part = np.flatnonzero((level <= -5) & (level >= -35))
            times.append(-60 / np.polyfit(part / sr, level[part], 1)[0])
    return float(np.mean(times))


def reverberate(y, *, sr, t60=1.5, level_db=-14.0, seed=0):
    """What comes back from the walls when a sound is played in a room: the echo alone.

    Add it to the sound, which thereby stays where it is.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
    sr : int
        Hz.
    t60, seed
        As in `room_response`.
    level_db : float
        Power of the echo relative to that of the sound. Below -20 it is felt rather than heard; 0 is a church, seen
        from the last row.

    Returns
    -------
    np.ndarray [shape=(2, n + m)]
        Longer than `y` by the room's impulse response.

    Examples
    --------
    >>> y = np.random.default_rng(0).standard_normal(32000).astype(np.float32)
    >>> wet = reverberate(y, sr=16000, t60=0.5, level_db=-10)
    >>> bool(abs(10 * np.log10(np.sum(wet**2) / np.sum(y**2)) + 10) < 1)
    True
    """
    response = room_response(t60, sr=sr, seed=seed) * np.float32(10 ** (level_db / 20))
    out = np.zeros((2, len(y) + response.shape[-1] - 1), dtype=np.float32)
    for side, echo in zip(out, response):
        side += _convolve(y, echo)
    return out


def ducking_gain(voice, *, sr, depth_db=4.0):
    """The gain that makes a backing step aside while a voice sounds, and come back in its pauses.

    It falls with the level of the voice: from 20 dB below its loudness, where nothing happens, to 8 dB below and above,
    where the gain is `-depth_db`. It moves within a quarter of a second, and begins before the voice does.

    Parameters
    ----------
    voice : np.ndarray [shape=(n,) or (n_channels, n)]
    sr : int
        Hz.
    depth_db : float

    Returns
    -------
    np.ndarray [shape=(n,)]
        Factors to multiply the backing with.

    Examples
    --------
    >>> voice = librosa.tone(440, sr=16000, length=48000) * (np.arange(48000) < 24000)
    >>> gain = ducking_gain(voice, sr=16000, depth_db=6)
    >>> (20 * np.log10(gain[[12000, 40000]])).round(1).tolist()
    [-6.0, 0.0]
    """
    hop = max(1, int(0.01 * sr))
    level_db = 10 * np.log10(scipy.ndimage.uniform_filter1d(_power(voice, hop), 5, mode="nearest") + 1e-12)
    sounding = np.clip((level_db - measure_loudness(voice, sr=sr) + 20) / 12, 0, 1)
    return _per_sample(10 ** (-depth_db * sounding / 20), hop, voice.shape[-1], half=6)  # 24 stretches of 10 ms to fall and to rise


def fade(y, *, sr, fade_in=0.0, fade_out=0.0):
    """Rise from silence at the start and sink into it at the end, along half a cosine.

    Parameters
    ----------
    y : np.ndarray [shape=(..., n)]
    sr : int
        Hz.
    fade_in, fade_out : float
        Seconds; together at most the whole sound is used.

    Returns
    -------
    np.ndarray [shape=(..., n)]

    Examples
    --------
    >>> fade(np.ones(5), sr=1, fade_in=2, fade_out=2).tolist()
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    y = np.array(y, dtype=np.float32)
    for seconds, end in ((fade_in, y), (fade_out, y[..., ::-1])):
        n = min(int(np.ceil(seconds * sr)), y.shape[-1])
        end[..., :n] *= 0.5 - 0.5 * np.cos(np.pi * np.arange(n) / sr / (seconds or 1))
    return y


def limit_peaks(y, *, sr, ceiling=-1.0, lookahead=0.02):
    """Turn the gain down around peaks, smoothly, so that no true peak exceeds the ceiling.

    The gain each sample needs is known beforehand. Its minimum over a window, averaged over a window of the same
    length, is never above what is needed and has no corner that would click. Nothing is delayed.

    Parameters
    ----------
    y : np.ndarray [shape=(n,) or (n_channels, n)]
        All channels get the same gain, so that the stereo image stays.
    sr : int
        Hz.
    ceiling : float
        dBTP.
    lookahead : float
        Seconds before and after a peak over which the gain moves.

    Returns
    -------
    np.ndarray [shape=(n,) or (n_channels, n)]

    References
    ----------
    .. [1] D. Giannoulis, M. Massberg and J. Reiss, "Digital dynamic range compressor design: a tutorial and
       analysis", J. Audio Eng. Soc. 60(6), 2012.

    Examples
    --------
    >>> y = 2 * librosa.tone(440, sr=16000, length=16000)
    >>> round(true_peak(limit_peaks(y, sr=16000)), 1)
    -1.0
    """
    top = 10 ** (ceiling / 20)
    needed = np.minimum(1.0, top / np.maximum(_peaks(y), 1e-9))
    if needed.min() == 1.0:
        return y
    y = (y * _ahead(needed, max(1, int(lookahead * sr) // 2))).astype(np.float32, copy=False)
    y *= min(1.0, 10 ** ((ceiling - true_peak(y)) / 20))  # a moving gain can lift a peak between samples by a hair
    return y


def _ahead(gain, half):
    """A gain that moves smoothly and is never above the given one: it falls during `4 * half` steps before, and rises as long after."""
    out = np.empty_like(gain)
    for start in range(0, len(gain), _BLOCK):
        first = max(start - 4 * half, 0)
        part = scipy.ndimage.minimum_filter1d(gain[first : start + _BLOCK + 4 * half], 4 * half + 1, mode="nearest")
        for _ in range(2):  # two boxes make a triangle as wide as the minimum's window
            part = scipy.ndimage.uniform_filter1d(part, 2 * half + 1, mode="nearest")
        out[start : start + _BLOCK] = part[start - first :][:_BLOCK]
    return out


def _power(y, hop):
    """Mean square of each stretch of `hop` samples, summed over the channels."""
    return sum(np.add.reduceat(np.square(channel), np.arange(0, len(channel), hop)) for channel in np.atleast_2d(y)) / hop


def _per_sample(gain, hop, n, *, half):
    """A gain for each of `n` samples, from one that each stretch of `hop` needs, without a jump."""
    gain, out = _ahead(gain, half), np.empty(n, dtype=np.float32)
    for start in range(0, n, _BLOCK):
        samples = np.arange(start, min(start + _BLOCK, n))
        out[start : start + _BLOCK] = np.interp((samples - hop // 2) / hop, np.arange(len(gain)), gain)
    return out


def set_loudness(y, *, sr, lufs=-16.0, ceiling=-1.0):
    """Bring a sound to a loudness without exceeding a peak.

    Limiting takes loudness away, so the gain is raised by what is missing until both hold. If that cannot be (a very
    high `lufs`), the ceiling wins.

    Parameters
    ----------
    y : np.ndarray [shape=(n,) or (n_channels, n)]
        Not silent.
    sr : int
        Hz.
    lufs : float
    ceiling : float or None
        dBTP; None does not limit.

    Returns
    -------
    np.ndarray [shape=(n,) or (n_channels, n)]

    Examples
    --------
    >>> y = set_loudness(0.01 * librosa.tone(440, sr=16000, length=16000), sr=16000, lufs=-20)
    >>> round(measure_loudness(y, sr=16000), 1)
    -20.0
    """
    gain_db = lufs - measure_loudness(y, sr=sr)
    for _ in range(4):
        louder = (y * 10 ** (gain_db / 20)).astype(np.float32, copy=False)
        if ceiling is None:
            break
        louder = limit_peaks(louder, sr=sr, ceiling=ceiling)
        missing = lufs - measure_loudness(louder, sr=sr)
        if missing < 0.1:
            break
        gain_db += missing
    return louder


def mix(voice, backing, *, sr, balance_db=2.0, ducking_db=None):
    """Lay a voice over a backing track, both starting together.

    The backing keeps its level; the voice is brought to `balance_db` above it. A mono voice stands in the middle.

    Parameters
    ----------
    voice, backing : np.ndarray [shape=(n,) or (n_channels, n)], np.ndarray [shape=(m,) or (n_channels, m)]
        One or two channels each, at the same rate; neither is silent.
    sr : int
        Hz.
    balance_db : float or None
        Loudness of the voice over the backing in LU (the dB of loudness); None leaves both as they come.
    ducking_db : float or None
        Turn the backing down by as much while the voice sounds, see `ducking_gain`; the balance is that before.

    Returns
    -------
    np.ndarray [shape=(2, max(n, m))]
        May exceed -1..1: limit it afterwards.

    Examples
    --------
    >>> voice, backing = librosa.tone(440, sr=16000, length=16000), librosa.tone(220, sr=16000, length=24000)
    >>> mix(voice, backing, sr=16000).shape
    (2, 24000)
    """
    # loudness adds up over channels, so measure what will sound
    voice, backing = (np.broadcast_to(np.atleast_2d(y), (2, y.shape[-1])) for y in (voice, backing))
    n, m = voice.shape[-1], backing.shape[-1]
    gain_db = 0.0 if balance_db is None else measure_loudness(backing, sr=sr) + balance_db - measure_loudness(voice, sr=sr)
    out = np.zeros((2, max(n, m)), dtype=np.float32)
    out[:, :m] = backing
    if ducking_db:
        out[:, :n] *= ducking_gain(voice, sr=sr, depth_db=ducking_db)
    for side, channel in zip(out, voice):
        side[:n] += channel * np.float32(10 ** (gain_db / 20))
    return out
