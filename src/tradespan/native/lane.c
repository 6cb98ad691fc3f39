/* Frames into the mapping: `Place`, and `Lane` which numbers and acknowledges them. */

#include "native.h"

#define SEQUENCE_STEP ((uint64_t)1 << 16)
#define MAX_KIND 255

static inline Py_ssize_t
frame_size(Py_ssize_t payload)
{
    return FRAME_HEADER + ((payload + 7) & ~(Py_ssize_t)7);
}

/* ── Place: where frames of one segment go ──────────────────────────────────────────────────────
 * A mapping and the position in it, as `mmap.write` has them. While it is open it holds the mapping's
 * buffer, so that nobody can unmap what is written here. */

typedef struct {
    PyObject_HEAD
    Py_buffer mapping; /* obj is NULL once closed */
    Py_ssize_t position;
} Place;

static PyObject *
place_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"mapping", "position", NULL};
    PyObject *mapping;
    Py_ssize_t position;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "On", names, &mapping, &position))
        return NULL;
    Place *self = (Place *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    if (PyObject_GetBuffer(mapping, &self->mapping, PyBUF_WRITABLE) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    if (position < 0 || position > self->mapping.len || position & 7) {
        PyErr_Format(PyExc_ValueError, "%zd is no place of a frame in %zd bytes", position,
                     self->mapping.len);
        Py_DECREF(self);
        return NULL;
    }
    self->position = position;
    return (PyObject *)self;
}

/* Copy a frame and advance, in one step for everybody else. 0: it does not fit, or closed. */
static inline int
place_frame(Place *self, const void *frame, Py_ssize_t size)
{
    if (self->mapping.obj == NULL || size > self->mapping.len - self->position)
        return 0;
    memcpy((char *)self->mapping.buf + self->position, frame, (size_t)size);
    self->position += size;
    return 1;
}

PyDoc_STRVAR(place_write_doc,
             "write(frame) -> int\n\nAppend a whole frame; its size.\n\n"
             "Raises:\n    ValueError: It does not fit, or the place was closed.");

static PyObject *
place_write(Place *self, PyObject *frame)
{
    Py_buffer view;
    if (PyObject_GetBuffer(frame, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    Py_ssize_t size = view.len;
    int fits = !(size & 7) && place_frame(self, view.buf, size);
    PyBuffer_Release(&view);
    if (fits)
        return PyLong_FromSsize_t(size);
    PyErr_Format(PyExc_ValueError, "no room for %zd bytes here, or closed", size);
    return NULL;
}

static int
place_clear(Place *self)
{
    /* Released through a copy: releasing may run code that comes back to this place. */
    Py_buffer mapping = self->mapping;
    memset(&self->mapping, 0, sizeof mapping);
    PyBuffer_Release(&mapping);
    return 0;
}

PyDoc_STRVAR(place_close_doc,
             "close() -> int\n\nLet the mapping go; every later frame is refused. Where the next frame "
             "would have stood.");

static PyObject *
place_close(Place *self, PyObject *Py_UNUSED(none))
{
    place_clear(self);
    return PyLong_FromSsize_t(self->position);
}

/* Not the buffer's owner, here and below: the collector would clear a memoryview that is still exported,
 * and freeing it then crashes (seen with 3.11.7). Owners don't point back, so no cycle is missed. */
static int
place_traverse(Place *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static void
place_dealloc(Place *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    place_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef place_methods[] = {
    {"write", (PyCFunction)place_write, METH_O, place_write_doc},
    {"close", (PyCFunction)place_close, METH_NOARGS, place_close_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot place_slots[] = {
    {Py_tp_doc, "Place(mapping, position)\n\nWhere the frames of one segment go."},
    {Py_tp_new, place_new},
    {Py_tp_dealloc, place_dealloc},
    {Py_tp_traverse, place_traverse},
    {Py_tp_clear, place_clear},
    {Py_tp_methods, place_methods},
    {0, NULL},
};

PyType_Spec place_spec = {
    .name = "tradespan._native.Place",
    .basicsize = sizeof(Place),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = place_slots,
};

/* ── Lane ───────────────────────────────────────────────────────────────────────────────────────*/

typedef struct {
    PyObject_HEAD
    uint64_t word;      /* the next record's, without its kind */
    Py_buffer counter;  /* one cell of the counter page: the word of the latest record that is safe */
    Place *place;       /* NULL: no record goes into a mapping */
    PyObject *declared; /* a dict: number of a site that is declared in the place's segment → append */
    PyObject *encode;   /* fall-back encoder: tuple → bytes */
    PyObject *slow;     /* (site, frame): whatever it takes until the frame is safe */
    PyObject *too_long; /* the exception for over 1 MiB */
    Checksum checksum;  /* of its frames */
    uint32_t seed;      /* of their checksums */
    unsigned char lane;
} Lane;

/* The store comes after the copy for whoever reads the page after a kill, too. */
static inline void
acknowledge(Lane *self, uint64_t word)
{
    __atomic_store_n((uint64_t *)self->counter.buf, word, __ATOMIC_RELEASE);
}

static PyObject *
lane_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"lane", "counter", "encode", "slow", "too_long", "checksum", "seed", NULL};
    unsigned char lane, checksum = 1;
    unsigned int seed = 0;
    PyObject *counter, *encode, *slow, *too_long;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "bOOOO|bI", names, &lane, &counter, &encode, &slow,
                                     &too_long, &checksum, &seed))
        return NULL;
    if (checksum != 1 && checksum != 2) {
        PyErr_Format(PyExc_ValueError, "there is no checksum %d", checksum);
        return NULL;
    }
    Lane *self = (Lane *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    if (view_cells(counter, &self->counter) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    self->lane = lane;
    self->checksum = checksum == 1 ? crc32_of : crc32c_of;
    self->seed = seed;
    self->word = SEQUENCE_STEP | lane;
    self->encode = Py_NewRef(encode);
    self->slow = Py_NewRef(slow);
    self->too_long = Py_NewRef(too_long);
    return (PyObject *)self;
}

/* Append where frames don't go through a mapping (`FilePlace` of spool/segment.py): by what `declared`
 * holds for the site. 1: done; 0: the slow way is to be taken; -1: an exception is set. */
static int
append_in_python(Lane *self, PyObject *site, PyObject *frame)
{
    if (self->place != NULL || self->declared == NULL || !PyLong_CheckExact(site))
        return 0;
    PyObject *append = PyDict_GetItemWithError(self->declared, site);
    if (append == NULL)
        return PyErr_Occurred() ? -1 : 0;
    Py_INCREF(append);
    PyObject *result = PyObject_CallOneArg(append, frame);
    Py_DECREF(append);
    if (result == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_ValueError))
            return -1;
        PyErr_Clear(); /* full, or closed */
        return 0;
    }
    Py_DECREF(result);
    return 1;
}

/* Draw a number, finish the frame of a draft and get it to safety. -1: an exception is set. */
static int
write_draft(Lane *self, long kind, PyObject *site, Draft *draft)
{
    int declared = 0;
    /* Sites are plain integers: neither hashing nor comparing them runs Python code. */
    if (self->place != NULL && PyLong_CheckExact(site)) {
        declared = PyDict_Contains(self->declared, site);
        if (declared < 0)
            return -1;
    }
    unsigned char *frame = draft->data;
    Py_ssize_t size = draft->used - FRAME_HEADER, whole = frame_size(size);
    memset(frame + draft->used, 0, (size_t)(whole - draft->used));

    /* From here to the end of the copy: no Python code. */
    uint64_t word = self->word | (uint64_t)kind << 8;
    self->word += SEQUENCE_STEP;
    uint32_t length = (uint32_t)size;
    uint32_t seed = (uint32_t)(word ^ word >> 32) ^ self->seed;
    uint32_t checksum = self->checksum(frame + FRAME_HEADER, (size_t)size, seed);
    memcpy(frame, &length, 4);
    memcpy(frame + 4, &checksum, 4);
    memcpy(frame + 8, &word, 8);
    if (declared && place_frame(self->place, frame, whole)) {
        acknowledge(self, word);
        return 0;
    }

    PyObject *bytes = PyBytes_FromStringAndSize((char *)frame, whole);
    if (bytes == NULL)
        return -1;
    int done = append_in_python(self, site, bytes);
    if (done == 0) {
        PyObject *arguments[] = {site, bytes};
        PyObject *result = PyObject_Vectorcall(self->slow, arguments, 2, NULL);
        done = result == NULL ? -1 : 1;
        Py_XDECREF(result);
    }
    Py_DECREF(bytes);
    if (done < 0)
        return -1;
    acknowledge(self, word);
    return 0;
}

/* Write a payload that is encoded already. */
static int
write_payload(Lane *self, long kind, PyObject *site, PyObject *payload)
{
    Py_ssize_t size = PyBytes_GET_SIZE(payload);
    if (size == 0) {
        /* A length of 0 would say that nothing was written, and hide all that follows. */
        PyErr_SetString(PyExc_ValueError, "a frame cannot be empty");
        return -1;
    }
    if (size > MAX_PAYLOAD) {
        PyObject *number = PyLong_FromSsize_t(size);
        if (number != NULL)
            PyErr_SetObject(self->too_long, number);
        Py_XDECREF(number);
        return -1;
    }
    Draft draft;
    begin_draft(&draft);
    int failed = make_room(&draft, size) != DONE;
    if (!failed) {
        memcpy(draft.data + FRAME_HEADER, PyBytes_AS_STRING(payload), (size_t)size);
        draft.used += size;
        failed = write_draft(self, kind, site, &draft) < 0;
    }
    end_draft(&draft);
    return failed ? -1 : 0;
}

/* Kind of a call's arguments (kind, site, what); -1: an exception is set. */
static long
read_kind(PyObject *const *args, Py_ssize_t count, const char *name)
{
    if (count != 3) {
        PyErr_Format(PyExc_TypeError, "%s() takes 3 arguments, %zd were given", name, count);
        return -1;
    }
    long kind = PyLong_AsLong(args[0]);
    if (kind == -1 && PyErr_Occurred())
        return -1;
    if (kind < 0 || kind > MAX_KIND) {
        PyErr_Format(PyExc_ValueError, "a kind is 0 to %d, not %ld", MAX_KIND, kind);
        return -1;
    }
    return kind;
}

PyDoc_STRVAR(lane_append_doc,
             "append(kind, site, payload)\n\nWrite one record that is encoded.\n\nRaises:\n"
             "    PayloadTooLong: Over 1 MiB; nothing was written, and no number drawn.\n"
             "    ValueError: Empty; likewise.");

static PyObject *
lane_append(Lane *self, PyObject *const *args, Py_ssize_t count)
{
    long kind = read_kind(args, count, "append");
    if (kind < 0)
        return NULL;
    if (!PyBytes_Check(args[2])) {
        PyErr_Format(PyExc_TypeError, "a payload is bytes, not %s", Py_TYPE(args[2])->tp_name);
        return NULL;
    }
    if (write_payload(self, kind, args[1], args[2]) < 0)
        return NULL;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(lane_record_doc,
             "record(kind, site, fields)\n\nEncode a tuple and write it. Raises what the fall-back "
             "encoder raises, and as `append`.");

static PyObject *
lane_record(Lane *self, PyObject *const *args, Py_ssize_t count)
{
    long kind = read_kind(args, count, "record");
    if (kind < 0)
        return NULL;
    PyObject *fields = args[2];
    Draft draft;
    begin_draft(&draft);
    int failed = 1;
    switch (put_value(&draft, fields, 0)) {
    case DONE:
        failed = write_draft(self, kind, args[1], &draft) < 0;
        break;
    case REFUSED: {
        PyObject *payload = PyObject_CallOneArg(self->encode, fields);
        if (payload != NULL && !PyBytes_Check(payload))
            PyErr_SetString(PyExc_TypeError, "the fall-back encoder has to return bytes");
        else if (payload != NULL)
            failed = write_payload(self, kind, args[1], payload) < 0;
        Py_XDECREF(payload);
        break;
    }
    case FAILED:
        break;
    }
    end_draft(&draft);
    if (failed)
        return NULL;
    Py_RETURN_NONE;
}

/* ── a span, straight from its fields ────────────────────────────────────────────────────────────*/

#define STATUS_BITS 3
#define STATUS_ERROR 2

static inline int
is_none(PyObject *value)
{
    return value == NULL || value == Py_None;
}

/* How a call failed: the status' description, and the fields of the exception's event. NULL: it did not. */
typedef struct {
    PyObject *message, *event;
} Failing;

/* The fields of core/records.py's Span, without trailing ones that are None. */
static Outcome
put_span(Draft *draft, SpanState *span, int64_t duration, const Failing *failing)
{
    PyObject *late[] = {span->name_set, span->held, span->arguments, span->result, NULL};
    int fields = failing == NULL ? 11 : 13;
    if (failing != NULL)
        late[4] = failing->message;
    else
        while (fields > 7 && is_none(late[fields - 8]))
            fields--;
    int before = fields == 13 ? 12 : fields;
    Outcome outcome = put_head(draft, fields);
    if (outcome == DONE)
        outcome = put_value(draft, span->site, 1);
    if (outcome == DONE)
        outcome = put_value(draft, span->trace_key, 1);
    if (outcome == DONE)
        outcome = put_id(draft, span->span_id);
    if (outcome == DONE)
        outcome = put_id(draft, span->parent_id);
    if (outcome == DONE)
        outcome = put_whole(draft, span->began + span->offset);
    if (outcome == DONE)
        outcome = put_whole(draft, duration);
    if (outcome == DONE)
        outcome = put_whole(draft, span->flags);
    for (int place = 7; place < before && outcome == DONE; place++)
        outcome = put_value(draft, late[place - 7] == NULL ? Py_None : late[place - 7], 1);
    if (failing != NULL && outcome == DONE)
        outcome = put_head(draft, 1); /* of the list of events */
    if (failing != NULL && outcome == DONE)
        outcome = put_value(draft, failing->event, 2);
    return outcome;
}

/* What `finish` and `fail` do: None if all is done, else when the span ended. */
static PyObject *
end_span(Lane *self, PyObject *const *args, Py_ssize_t count, const Failing *failing)
{
    State *state = PyType_GetModuleState(Py_TYPE(self));
    long kind = read_kind(args, count - 1, failing == NULL ? "finish" : "fail");
    if (kind < 0)
        return NULL;
    PyObject *cells = args[3];
    if (!PyObject_TypeCheck(args[1], state->state_type) ||
        (cells != Py_None && Py_TYPE(cells) != state->durations_type)) {
        PyErr_SetString(PyExc_TypeError, "a span is wanted, and the cells of its function");
        return NULL;
    }
    SpanState *span = (SpanState *)args[1];
    int64_t ended = args[2] == Py_None ? monotonic_now() : PyLong_AsLongLong(args[2]);
    if (ended == -1 && PyErr_Occurred())
        return NULL;
    int64_t duration = ended > span->began ? ended - span->began : 0;
    if (cells != Py_None) {
        count_in_cells(cells, duration);
        if (failing != NULL)
            count_error_in_cells(cells);
    }
    if (span->has_ended)
        Py_RETURN_NONE;
    long flags = span->flags;
    if (!is_none(span->extras) || (flags & STATUS_BITS) != 0 || span->site == NULL ||
        span->trace_key == NULL)
        return PyLong_FromLongLong(ended);
    if (failing != NULL)
        span->flags = flags | STATUS_ERROR;
    Draft draft;
    begin_draft(&draft);
    Outcome outcome = put_span(&draft, span, duration, failing);
    if (outcome == DONE) {
        span->ended = ended;
        span->has_ended = 1;
        PyObject *site = Py_NewRef(span->site); /* the slow way may run code that changes the span */
        if (write_draft(self, kind, site, &draft) < 0)
            outcome = FAILED;
        Py_DECREF(site);
        if (span->flights != NULL)
            leave_flight(span);
    }
    else
        span->flags = flags;
    end_draft(&draft);
    if (outcome == FAILED)
        return NULL;
    if (outcome == REFUSED)
        return PyLong_FromLongLong(ended);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(lane_finish_doc,
             "finish(kind, span, ended, cells) -> int | None\n\nEnd a span, count its call, write its "
             "record.\n\n`ended`: monotonic nanoseconds; None: now. `cells`: a DurationCells, or None. "
             "Returns None if all is done (a span that was ended before is only counted); else when it "
             "ended: it was counted, and is to be written in another way.");

static PyObject *
lane_finish(Lane *self, PyObject *const *args, Py_ssize_t count)
{
    return end_span(self, args, count, NULL);
}

PyDoc_STRVAR(lane_fail_doc,
             "fail(kind, span, ended, cells, message, event) -> int | None\n\nAs `finish`, for a call "
             "that raised: the description of its status, and the fields of the exception's event.");

static PyObject *
lane_fail(Lane *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 6) {
        PyErr_Format(PyExc_TypeError, "fail() takes 6 arguments, %zd were given", count);
        return NULL;
    }
    Failing failing = {args[4], args[5]};
    return end_span(self, args, count - 2, &failing);
}

PyDoc_STRVAR(lane_use_doc,
             "use(place, declared)\n\nWrite to a place from now on, records of the sites that are keys "
             "of `declared`; all others take the slow way. If it is no Place, by what `declared` holds.");

static PyObject *
lane_use(Lane *self, PyObject *const *args, Py_ssize_t count)
{
    State *state = PyType_GetModuleState(Py_TYPE(self));
    if (count != 2 || !PyDict_CheckExact(args[1])) {
        PyErr_SetString(PyExc_TypeError, "use() takes a place and a dict");
        return NULL;
    }
    /* What is not mapped has another kind of place, and a segment made while the way in Python was
     * chosen: see append_in_python. */
    int ours = Py_TYPE(args[0]) == state->place_type;
    PyObject *place = (PyObject *)self->place, *declared = self->declared;
    self->place = ours ? (Place *)Py_NewRef(args[0]) : NULL;
    self->declared = Py_NewRef(args[1]);
    Py_XDECREF(place);
    Py_XDECREF(declared);
    Py_RETURN_NONE;
}

/* Take another counter cell in; `carry` what the last one says. */
static PyObject *
change_counter(Lane *self, PyObject *counter, int carry)
{
    Py_buffer fresh;
    if (view_cells(counter, &fresh) < 0)
        return NULL;
    uint64_t *now = fresh.buf, before = *(uint64_t *)self->counter.buf;
    if (carry && before > *now)
        *now = before;
    Py_buffer last = self->counter;
    self->counter = fresh;
    PyBuffer_Release(&last);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(lane_count_in_doc,
             "count_in(counter)\n\nAcknowledge in another cell from now on, with what was acknowledged.");

static PyObject *
lane_count_in(Lane *self, PyObject *counter)
{
    return change_counter(self, counter, 1);
}

PyDoc_STRVAR(lane_restart_doc,
             "restart(counter, seed=0)\n\nBegin as a new writer: numbers from 1, no place, another counter and "
             "seed.");

static PyObject *
lane_restart(Lane *self, PyObject *args)
{
    PyObject *counter;
    unsigned int seed = 0;
    if (!PyArg_ParseTuple(args, "O|I", &counter, &seed))
        return NULL;
    PyObject *result = change_counter(self, counter, 0);
    if (result != NULL) {
        self->seed = seed;
        self->word = SEQUENCE_STEP | self->lane;
        Py_CLEAR(self->place);
        Py_CLEAR(self->declared);
    }
    return result;
}

static int
lane_traverse(Lane *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->place);
    Py_VISIT(self->declared);
    Py_VISIT(self->encode);
    Py_VISIT(self->slow);
    Py_VISIT(self->too_long);
    return 0;
}

/* Breaks every cycle that a lane can be in by its place and its sites; the callables and the counter
 * stay until the end, so that a `__del__` that records in a lane that is being collected is no crash. */
static int
lane_clear(Lane *self)
{
    Py_CLEAR(self->place);
    Py_CLEAR(self->declared);
    return 0;
}

static void
lane_dealloc(Lane *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    lane_clear(self);
    Py_CLEAR(self->encode);
    Py_CLEAR(self->slow);
    Py_CLEAR(self->too_long);
    PyBuffer_Release(&self->counter);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef lane_methods[] = {
    {"append", (PyCFunction)(void (*)(void))lane_append, METH_FASTCALL, lane_append_doc},
    {"fail", (PyCFunction)(void (*)(void))lane_fail, METH_FASTCALL, lane_fail_doc},
    {"finish", (PyCFunction)(void (*)(void))lane_finish, METH_FASTCALL, lane_finish_doc},
    {"record", (PyCFunction)(void (*)(void))lane_record, METH_FASTCALL, lane_record_doc},
    {"use", (PyCFunction)(void (*)(void))lane_use, METH_FASTCALL, lane_use_doc},
    {"count_in", (PyCFunction)lane_count_in, METH_O, lane_count_in_doc},
    {"restart", (PyCFunction)lane_restart, METH_VARARGS, lane_restart_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot lane_slots[] = {
    {Py_tp_doc, "Lane(lane, counter, encode, slow, too_long, checksum=1, seed=0)\n\nThe fast way of one lane's records."},
    {Py_tp_new, lane_new},
    {Py_tp_dealloc, lane_dealloc},
    {Py_tp_traverse, lane_traverse},
    {Py_tp_clear, lane_clear},
    {Py_tp_methods, lane_methods},
    {0, NULL},
};

PyType_Spec lane_spec = {
    .name = "tradespan._native.Lane",
    .basicsize = sizeof(Lane),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = lane_slots,
};
