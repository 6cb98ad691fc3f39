/* tradespan._native: the hot path of the spool, in C. Optional: `spool/lane.py`, `pages/durations.py`,
 * `pages/numbers.py` and `capture/failure.py` hold the same in Python, and the same tests run on both.
 *
 * What everything here rests on: between drawing a sequence number and the end of the copy into the
 * mapping no Python code runs and the GIL stays held. So neither a thread, nor a signal handler, nor
 * a `__del__` ever sees a place that is taken and not filled (spool/FORMAT.md, rule 1). All that may
 * run Python code (encoding of rare types, a new segment) stands before the one or behind the other.
 *
 * docs/adr/0005-native.md has the reasons. */

#ifndef TRADESPAN_NATIVE_H
#define TRADESPAN_NATIVE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>
#include <string.h>
#include <time.h>

#ifdef Py_GIL_DISABLED
#error "the order of frames rests on the GIL: free-threaded builds take the way in Python"
#endif
#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "frames are little-endian, and are written as they lie in memory"
#endif

/* Numbers of spool/FORMAT.md. */
#define FRAME_HEADER 16
#define MAX_PAYLOAD ((Py_ssize_t)1 << 20)

typedef struct {
    PyTypeObject *place_type;
    PyTypeObject *state_type;
    PyTypeObject *durations_type;
    PyTypeObject *flights_type;
} State;

/* checksum.c */
void fill_crc_tables(void);
typedef uint32_t (*Checksum)(const unsigned char *data, size_t size, uint32_t seed);
uint32_t crc32_of(const unsigned char *data, size_t size, uint32_t seed);
uint32_t crc32c_of(const unsigned char *data, size_t size, uint32_t seed);
int has_crc32c(void);
PyObject *crc32c(PyObject *module, PyObject *const *args, Py_ssize_t count);
extern const char crc32c_doc[];

/* encode.c: a frame under construction. It belongs to one call and not to the lane: encoding may run
 * Python code that records as well. */

#define ROOM_ON_STACK 2048

typedef struct {
    unsigned char *data; /* room for the frame's header, then the payload */
    Py_ssize_t used;
    Py_ssize_t room;
    unsigned char first[ROOM_ON_STACK];
} Draft;

typedef enum {
    DONE,
    REFUSED, /* not for us: the fall-back encoder's business */
    FAILED,  /* an exception is set */
} Outcome;

void begin_draft(Draft *draft);
void end_draft(Draft *draft);

/* Room for so many bytes, and 7 behind them for the padding of the frame. More than a frame may
 * hold is refused, not reported: the fall-back encoder counts how much it is. */
Outcome make_room(Draft *draft, Py_ssize_t more);

/* A value at the end of a draft, `depth` containers deep. */
Outcome put_value(Draft *draft, PyObject *value, int depth);

/* The parts of a span's record, likewise: numbers, and what is a tuple's head. */
Outcome put_head(Draft *draft, int fields);
Outcome put_whole(Draft *draft, int64_t value);
Outcome put_id(Draft *draft, uint64_t value);

/* spans.c: see instrument/state.py for what each is. NULL is None, or not there. */
typedef struct {
    PyObject_HEAD
    PyObject *recorder, *site, *trace_key, *outer, *context;
    PyObject *name_set, *held, *arguments, *result, *extras;
    uint64_t span_id, parent_id;
    int64_t offset, began, ended;
    long flags;
    char has_ended;
    int slot;          /* in `flights`, from 1; 0: none */
    PyObject *flights; /* where it has a slot; NULL: nowhere */
} SpanState;

int64_t monotonic_now(void);

/* inflight.c. A site has to be cleared before the first span of it enters; that may run Python code,
 * and entering and leaving don't. */
int is_cleared(PyObject *flights, PyObject *site);
int clear_flight(PyObject *flights, PyObject *site); /* -1: an exception is set */
void enter_flight(PyObject *flights, SpanState *span, int durable);
/* Of a span whose `flights` is not NULL: it has ended; it is collected before it has. */
void leave_flight(SpanState *span);
void lose_flight(SpanState *span);

/* cells.c: count a call of so many nanoseconds; `cells` is a DurationCells. */
void count_in_cells(PyObject *cells, int64_t duration);
void count_error_in_cells(PyObject *cells);

/* cells.c: a writable view of aligned, 8-byte numbers; -1 with an exception if it is none. */
int view_cells(PyObject *cells, Py_buffer *view);

/* show.c */
void fill_sign_table(void);
PyObject *quote(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *scan(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *show_all(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *use_verdicts(PyObject *module, PyObject *wanted);
extern const char quote_doc[], scan_doc[], show_all_doc[], use_verdicts_doc[];

extern PyType_Spec codes_spec, durations_spec, flights_spec, histogram_spec, lane_spec, number_spec,
    place_spec, starter_spec, state_spec;

#endif
