/* MessagePack: the bytes that msgspec writes, for exact built-in types; everything else is REFUSED.
 * Nothing here runs Python code, so lists and dicts cannot change while they are walked. */

#include "native.h"

void
begin_draft(Draft *draft)
{
    draft->data = draft->first;
    draft->used = FRAME_HEADER;
    draft->room = ROOM_ON_STACK;
}

void
end_draft(Draft *draft)
{
    if (draft->data != draft->first)
        PyMem_Free(draft->data);
}

Outcome
make_room(Draft *draft, Py_ssize_t more)
{
    if (more > MAX_PAYLOAD + FRAME_HEADER - draft->used)
        return REFUSED;
    Py_ssize_t needed = draft->used + more + 7;
    if (needed <= draft->room)
        return DONE;
    Py_ssize_t room = needed > 2 * draft->room ? needed : 2 * draft->room;
    int on_heap = draft->data != draft->first;
    unsigned char *data = PyMem_Realloc(on_heap ? draft->data : NULL, (size_t)room);
    if (data == NULL) {
        PyErr_NoMemory();
        return FAILED;
    }
    if (!on_heap)
        memcpy(data, draft->first, (size_t)draft->used);
    draft->data = data;
    draft->room = room;
    return DONE;
}

#define DEEPEST 32

static inline void
put_big_endian(unsigned char *place, uint64_t value, int size)
{
    while (size--) {
        place[size] = (unsigned char)value;
        value >>= 8;
    }
}

/* A leading byte and a big-endian number of `size` bytes; the room was made. */
static inline void
put_number(Draft *draft, int lead, uint64_t value, int size)
{
    unsigned char *place = draft->data + draft->used;
    place[0] = (unsigned char)lead;
    put_big_endian(place + 1, value, size);
    draft->used += 1 + size;
}

static Outcome
put_unsigned(Draft *draft, uint64_t value)
{
    if (value < 0x80)
        draft->data[draft->used++] = (unsigned char)value;
    else if (value <= UINT8_MAX)
        put_number(draft, 0xCC, value, 1);
    else if (value <= UINT16_MAX)
        put_number(draft, 0xCD, value, 2);
    else if (value <= UINT32_MAX)
        put_number(draft, 0xCE, value, 4);
    else
        put_number(draft, 0xCF, value, 8);
    return DONE;
}

static Outcome put_signed(Draft *draft, int64_t number);

static Outcome
put_int(Draft *draft, PyObject *value)
{
    int overflow;
    long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow < 0)
        return REFUSED;
    if (overflow > 0) {
        unsigned long long large = PyLong_AsUnsignedLongLong(value);
        if (large == (unsigned long long)-1 && PyErr_Occurred()) {
            PyErr_Clear();
            return REFUSED;
        }
        return put_unsigned(draft, large);
    }
    return put_signed(draft, number);
}

static Outcome
put_signed(Draft *draft, int64_t number)
{
    if (number >= 0)
        return put_unsigned(draft, (uint64_t)number);
    if (number >= -32)
        draft->data[draft->used++] = (unsigned char)number;
    else if (number >= INT8_MIN)
        put_number(draft, 0xD0, (uint64_t)number, 1);
    else if (number >= INT16_MIN)
        put_number(draft, 0xD1, (uint64_t)number, 2);
    else if (number >= INT32_MIN)
        put_number(draft, 0xD2, (uint64_t)number, 4);
    else
        put_number(draft, 0xD3, (uint64_t)number, 8);
    return DONE;
}

Outcome
put_id(Draft *draft, uint64_t value)
{
    Outcome outcome = make_room(draft, 9);
    return outcome == DONE ? put_unsigned(draft, value) : outcome;
}

Outcome
put_whole(Draft *draft, int64_t value)
{
    Outcome outcome = make_room(draft, 9);
    return outcome == DONE ? put_signed(draft, value) : outcome;
}

/* The head of what has a length: one byte with the length in it up to `largest_inline`, then 8 bits
 * if the type has that form (`lead8` not 0), 16, 32. */
static void
put_length(Draft *draft, Py_ssize_t length, int lead, int largest_inline, int lead8, int lead16)
{
    if (length <= largest_inline)
        draft->data[draft->used++] = (unsigned char)(lead | (int)length);
    else if (lead8 && length <= UINT8_MAX)
        put_number(draft, lead8, (uint64_t)length, 1);
    else if (length <= UINT16_MAX)
        put_number(draft, lead16, (uint64_t)length, 2);
    else
        put_number(draft, lead16 + 1, (uint64_t)length, 4);
}

Outcome
put_head(Draft *draft, int fields)
{
    Outcome outcome = make_room(draft, 5);
    if (outcome == DONE)
        put_length(draft, fields, 0x90, 15, 0, 0xDC);
    return outcome;
}

static Outcome
put_text(Draft *draft, PyObject *value)
{
    const char *text;
    Py_ssize_t size;
    if (PyUnicode_IS_COMPACT_ASCII(value)) {
        text = (const char *)PyUnicode_1BYTE_DATA(value);
        size = PyUnicode_GET_LENGTH(value);
    }
    else {
        text = PyUnicode_AsUTF8AndSize(value, &size);
        if (text == NULL) { /* a lone surrogate */
            PyErr_Clear();
            return REFUSED;
        }
    }
    Outcome outcome = make_room(draft, 5 + size);
    if (outcome != DONE)
        return outcome;
    put_length(draft, size, 0xA0, 31, 0xD9, 0xDA);
    memcpy(draft->data + draft->used, text, (size_t)size);
    draft->used += size;
    return DONE;
}

static Outcome
put_bytes(Draft *draft, PyObject *value)
{
    Py_ssize_t size = PyBytes_GET_SIZE(value);
    Outcome outcome = make_room(draft, 5 + size);
    if (outcome != DONE)
        return outcome;
    put_length(draft, size, 0, -1, 0xC4, 0xC5);
    memcpy(draft->data + draft->used, PyBytes_AS_STRING(value), (size_t)size);
    draft->used += size;
    return DONE;
}

static Outcome
put_items(Draft *draft, PyObject *const *items, Py_ssize_t count, int depth)
{
    if (depth >= DEEPEST)
        return REFUSED;
    Outcome outcome = make_room(draft, 5);
    if (outcome != DONE)
        return outcome;
    put_length(draft, count, 0x90, 15, 0, 0xDC);
    for (Py_ssize_t place = 0; place < count; place++) {
        outcome = put_value(draft, items[place], depth + 1);
        if (outcome != DONE)
            return outcome;
    }
    return DONE;
}

static Outcome
put_dict(Draft *draft, PyObject *value, int depth)
{
    if (depth >= DEEPEST)
        return REFUSED;
    Outcome outcome = make_room(draft, 5);
    if (outcome != DONE)
        return outcome;
    put_length(draft, PyDict_GET_SIZE(value), 0x80, 15, 0, 0xDE);
    Py_ssize_t place = 0;
    PyObject *key, *item;
    while (PyDict_Next(value, &place, &key, &item)) {
        outcome = put_value(draft, key, depth + 1);
        if (outcome == DONE)
            outcome = put_value(draft, item, depth + 1);
        if (outcome != DONE)
            return outcome;
    }
    return DONE;
}

Outcome
put_value(Draft *draft, PyObject *value, int depth)
{
    PyTypeObject *type = Py_TYPE(value);
    if (type == &PyUnicode_Type)
        return put_text(draft, value);
    if (type == &PyBytes_Type)
        return put_bytes(draft, value);
    if (type == &PyTuple_Type)
        return put_items(draft, ((PyTupleObject *)value)->ob_item, PyTuple_GET_SIZE(value), depth);
    if (type == &PyList_Type)
        return put_items(draft, ((PyListObject *)value)->ob_item, PyList_GET_SIZE(value), depth);
    if (type == &PyDict_Type)
        return put_dict(draft, value, depth);
    /* What remains has 9 bytes at most. */
    Outcome outcome = make_room(draft, 9);
    if (outcome != DONE)
        return outcome;
    if (type == &PyLong_Type)
        return put_int(draft, value);
    if (value == Py_None)
        draft->data[draft->used++] = 0xC0;
    else if (value == Py_True)
        draft->data[draft->used++] = 0xC3;
    else if (value == Py_False)
        draft->data[draft->used++] = 0xC2;
    else if (type == &PyFloat_Type) {
        double number = PyFloat_AS_DOUBLE(value);
        uint64_t bits;
        memcpy(&bits, &number, 8);
        put_number(draft, 0xCB, bits, 8);
    }
    else
        return REFUSED;
    return DONE;
}
