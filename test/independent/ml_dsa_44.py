"""ML-DSA-44 signature verification (FIPS 204), pure, with an empty context. Standard library only."""

from hashlib import shake_128, shake_256

Q = 8380417
D = 13
TAU = 39
GAMMA1 = 1 << 17
GAMMA2 = (Q - 1) // 88
K = L = 4
BETA = 78
OMEGA = 80
N = 256
KEY_BYTES = 32 + K * 320
SIGNATURE_BYTES = 32 + L * 576 + OMEGA + K


def _bit_reversed(value):
    return int(format(value, "08b")[::-1], 2)


ZETAS = [pow(1753, _bit_reversed(index), Q) for index in range(N)]
N_INVERSE = pow(N, -1, Q)


def _ntt(poly):
    w = list(poly)
    m = 0
    length = 128
    while length >= 1:
        for start in range(0, N, 2 * length):
            m += 1
            zeta = ZETAS[m]
            for j in range(start, start + length):
                t = zeta * w[j + length] % Q
                w[j + length] = (w[j] - t) % Q
                w[j] = (w[j] + t) % Q
        length //= 2
    return w


def _inverse_ntt(poly):
    w = list(poly)
    m = N
    length = 1
    while length < N:
        for start in range(0, N, 2 * length):
            m -= 1
            zeta = -ZETAS[m]
            for j in range(start, start + length):
                t = w[j]
                w[j] = (t + w[j + length]) % Q
                w[j + length] = zeta * (t - w[j + length]) % Q
        length *= 2
    return [value * N_INVERSE % Q for value in w]


def _uniform(seed):
    """RejNTTPoly: coefficients below Q out of SHAKE-128."""
    size = 1344
    while True:
        stream = shake_128(seed).digest(size)
        poly = []
        for at in range(0, size - 2, 3):
            value = stream[at] | stream[at + 1] << 8 | (stream[at + 2] & 0x7F) << 16
            if value < Q:
                poly.append(value)
                if len(poly) == N:
                    return poly
        size *= 2


def _in_ball(seed):
    size = 512
    while True:
        stream = shake_256(seed).digest(size)
        signs = int.from_bytes(stream[:8], "little")
        poly = [0] * N
        at = 8
        for i in range(N - TAU, N):
            while at < size and stream[at] > i:
                at += 1
            if at >= size:
                break
            j = stream[at]
            at += 1
            poly[i] = poly[j]
            poly[j] = -1 if signs & 1 else 1
            signs >>= 1
        else:
            return poly
        size *= 2


def _unpack(data, bits):
    value = int.from_bytes(data, "little")
    mask = (1 << bits) - 1
    return [value >> (bits * index) & mask for index in range(N)]


def _unpack_hint(data):
    hint = [[0] * N for _ in range(K)]
    index = 0
    for i in range(K):
        end = data[OMEGA + i]
        if end < index or end > OMEGA:
            return None
        first = index
        while index < end:
            if index > first and data[index - 1] >= data[index]:
                return None
            hint[i][data[index]] = 1
            index += 1
    if any(data[index:OMEGA]):
        return None
    return hint


def _use_hint(bit, value):
    low = value % (2 * GAMMA2)
    if low > GAMMA2:
        low -= 2 * GAMMA2
    if value - low == Q - 1:
        high, low = 0, low - 1
    else:
        high = (value - low) // (2 * GAMMA2)
    if bit:
        return (high + 1) % 44 if low > 0 else (high - 1) % 44
    return high


def verify(key, message, signature):
    if len(key) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    rho = key[:32]
    t1 = [_unpack(key[32 + 320 * i : 352 + 320 * i], 10) for i in range(K)]
    challenge = signature[:32]
    z = []
    for i in range(L):
        packed = _unpack(signature[32 + 576 * i : 608 + 576 * i], 18)
        z.append([GAMMA1 - value for value in packed])
    hint = _unpack_hint(signature[32 + 576 * L :])
    if hint is None or any(abs(value) >= GAMMA1 - BETA for poly in z for value in poly):
        return False
    tr = shake_256(key).digest(64)
    mu = shake_256(tr + b"\x00\x00" + message).digest(64)
    c = _ntt(_in_ball(challenge))
    z = [_ntt(poly) for poly in z]
    encoded = b""
    for i in range(K):
        total = [0] * N
        for j in range(L):
            row = _uniform(rho + bytes([j, i]))
            total = [(a + b * v) % Q for a, b, v in zip(total, row, z[j])]
        shifted = _ntt([value << D for value in t1[i]])
        w = _inverse_ntt([(a - b * v) % Q for a, b, v in zip(total, c, shifted)])
        packed = 0
        for index, value in enumerate(w):
            packed |= _use_hint(hint[i][index], value) << (6 * index)
        encoded += packed.to_bytes(192, "little")
    return shake_256(mu + encoded).digest(32) == challenge
