/* zlib's CRC-32, eight bytes a step, long data in three streams at once: a step waits for the one
 * before it, and two more streams are computed in that time. Tables of our own: a zlib to link with is
 * not on every machine that has a compiler. */

#include "native.h"

/* Bytes of one stream. A record with two arguments of 1,000 characters has two rounds of three. */
#define STREAM 256

static uint32_t step_table[8][256];
/* What a register is after STREAM zeros, by its bytes: CRCs are linear, so that the register behind two
 * streams is `skip(first) ^ second`, the second one begun with 0. */
static uint32_t skip_table[4][256];

static void
fill_skip_table(void)
{
    for (int bit = 0; bit < 32; bit++) {
        uint32_t crc = UINT32_C(1) << bit;
        for (int zero = 0; zero < STREAM; zero++)
            crc = crc >> 8 ^ step_table[0][crc & 0xFF];
        for (int byte = 0; byte < 256; byte++)
            if (byte >> bit % 8 & 1)
                skip_table[bit / 8][byte] ^= crc;
    }
}

void
fill_crc_tables(void)
{
    memset(skip_table, 0, sizeof skip_table);
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ UINT32_C(0xEDB88320) : crc >> 1;
        step_table[0][byte] = crc;
    }
    for (int slice = 1; slice < 8; slice++)
        for (int byte = 0; byte < 256; byte++) {
            uint32_t crc = step_table[slice - 1][byte];
            step_table[slice][byte] = crc >> 8 ^ step_table[0][crc & 0xFF];
        }
    fill_skip_table();
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
skip(uint32_t crc)
{
    return skip_table[0][crc & 0xFF] ^ skip_table[1][crc >> 8 & 0xFF] ^
           skip_table[2][crc >> 16 & 0xFF] ^ skip_table[3][crc >> 24];
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
        crc = skip(skip(crc) ^ second) ^ third;
    }
    for (; size >= 8; data += 8, size -= 8)
        crc = step(crc, data);
    while (size--)
        crc = crc >> 8 ^ step_table[0][(crc ^ *data++) & 0xFF];
    return ~crc;
}
