/* zlib's CRC-32, eight bytes a step, and CRC-32C by the processor's instruction where it has one; long
 * data in three streams at once: a step waits for the one before it, and two more streams are computed
 * in that time. Tables of our own: a zlib to link with is not on every machine that has a compiler. */

#include "native.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <nmmintrin.h>
#define WITH_INSTRUCTION
#endif

/* Bytes of one stream. A record with two arguments of 1,000 characters has two rounds of three. */
#define STREAM 256

static uint32_t step_table[8][256];
/* The same for CRC-32C, one byte a step. */
static uint32_t byte_table[256];
/* What a register is after STREAM zeros, by its bytes: CRCs are linear, so that the register behind two
 * streams is `skip(first) ^ second`, the second one begun with 0. */
static uint32_t skip_table[4][256], skip_table_c[4][256];

static void
fill_byte_table(uint32_t table[256], uint32_t polynomial)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ polynomial : crc >> 1;
        table[byte] = crc;
    }
}

static void
fill_skip_table(uint32_t table[4][256], const uint32_t bytes[256])
{
    memset(table, 0, sizeof skip_table);
    for (int bit = 0; bit < 32; bit++) {
        uint32_t crc = UINT32_C(1) << bit;
        for (int zero = 0; zero < STREAM; zero++)
            crc = crc >> 8 ^ bytes[crc & 0xFF];
        for (int byte = 0; byte < 256; byte++)
            if (byte >> bit % 8 & 1)
                table[bit / 8][byte] ^= crc;
    }
}

void
fill_crc_tables(void)
{
    fill_byte_table(step_table[0], UINT32_C(0xEDB88320));
    fill_byte_table(byte_table, UINT32_C(0x82F63B78));
    for (int slice = 1; slice < 8; slice++)
        for (int byte = 0; byte < 256; byte++) {
            uint32_t crc = step_table[slice - 1][byte];
            step_table[slice][byte] = crc >> 8 ^ step_table[0][crc & 0xFF];
        }
    fill_skip_table(skip_table, step_table[0]);
    fill_skip_table(skip_table_c, byte_table);
}

static inline uint32_t
step(uint32_t crc, const unsigned char *data)
{
    uint32_t low, high;
    memcpy(&low, data, 4);
    memcpy(&high, data + 4, 4);
    low ^= crc;
    return step_table[7][low & 0xFF] ^ step_table[6][low >> 8 & 0xFF] ^
           step_table[5][low >> 16 & 0xFF] ^ step_table[4][low >> 24] ^
           step_table[3][high & 0xFF] ^ step_table[2][high >> 8 & 0xFF] ^
           step_table[1][high >> 16 & 0xFF] ^ step_table[0][high >> 24];
}

static inline uint32_t
skip(uint32_t table[4][256], uint32_t crc)
{
    return table[0][crc & 0xFF] ^ table[1][crc >> 8 & 0xFF] ^ table[2][crc >> 16 & 0xFF] ^
           table[3][crc >> 24];
}

/* As `zlib.crc32(data, seed)`. */
uint32_t
crc32_of(const unsigned char *data, size_t size, uint32_t seed)
{
    uint32_t crc = ~seed;
    for (; size >= 3 * STREAM; data += 3 * STREAM, size -= 3 * STREAM) {
        uint32_t second = 0, third = 0;
        for (int place = 0; place < STREAM; place += 8) {
            crc = step(crc, data + place);
            second = step(second, data + STREAM + place);
            third = step(third, data + 2 * STREAM + place);
        }
        crc = skip(skip_table, skip(skip_table, crc) ^ second) ^ third;
    }
    for (; size >= 8; data += 8, size -= 8)
        crc = step(crc, data);
    while (size--)
        crc = crc >> 8 ^ step_table[0][(crc ^ *data++) & 0xFF];
    return ~crc;
}

/* ── CRC-32C ────────────────────────────────────────────────────────────────────────────────────*/

static uint32_t
crc32c_by_bytes(const unsigned char *data, size_t size, uint32_t crc)
{
    while (size--)
        crc = crc >> 8 ^ byte_table[(crc ^ *data++) & 0xFF];
    return crc;
}

#ifdef WITH_INSTRUCTION
static inline uint64_t
eight(const unsigned char *data)
{
    uint64_t word;
    memcpy(&word, data, 8);
    return word;
}

__attribute__((target("sse4.2"))) static uint32_t
crc32c_by_instruction(const unsigned char *data, size_t size, uint32_t begun)
{
    uint64_t crc = begun;
    for (; size >= 3 * STREAM; data += 3 * STREAM, size -= 3 * STREAM) {
        uint64_t second = 0, third = 0;
        for (int place = 0; place < STREAM; place += 8) {
            crc = _mm_crc32_u64(crc, eight(data + place));
            second = _mm_crc32_u64(second, eight(data + STREAM + place));
            third = _mm_crc32_u64(third, eight(data + 2 * STREAM + place));
        }
        crc = skip(skip_table_c, skip(skip_table_c, (uint32_t)crc) ^ (uint32_t)second) ^
              (uint32_t)third;
    }
    for (; size >= 8; data += 8, size -= 8)
        crc = _mm_crc32_u64(crc, eight(data));
    uint32_t rest = (uint32_t)crc;
    while (size--)
        rest = _mm_crc32_u8(rest, *data++);
    return rest;
}
#endif

/* Whether this processor has the instruction. (ARM's is not used yet: nobody has measured it.) */
int
has_crc32c(void)
{
#ifdef WITH_INSTRUCTION
    return __builtin_cpu_supports("sse4.2") != 0;
#else
    return 0;
#endif
}

uint32_t
crc32c_of(const unsigned char *data, size_t size, uint32_t seed)
{
#ifdef WITH_INSTRUCTION
    if (has_crc32c())
        return ~crc32c_by_instruction(data, size, ~seed);
#endif
    return ~crc32c_by_bytes(data, size, ~seed);
}

const char crc32c_doc[] = "crc32c(data, seed) -> int\n\nAs zlib.crc32, with Castagnoli's polynomial.";

PyObject *
crc32c(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (count != 2) {
        PyErr_Format(PyExc_TypeError, "crc32c() takes 2 arguments, %zd were given", count);
        return NULL;
    }
    unsigned long seed = PyLong_AsUnsignedLongMask(args[1]);
    if (seed == (unsigned long)-1 && PyErr_Occurred())
        return NULL;
    Py_buffer view;
    if (PyObject_GetBuffer(args[0], &view, PyBUF_SIMPLE) < 0)
        return NULL;
    uint32_t crc = crc32c_of(view.buf, (size_t)view.len, (uint32_t)seed);
    PyBuffer_Release(&view);
    return PyLong_FromUnsignedLong(crc);
}
