/* events.h - the observer of all stages: the log of what happens to frames, and tables made of it
 *
 * The records and the ring they are written to: lib/lib.h. The stages that write some themselves: card/inline.h,
 * softnet/events.c.
 */

/* ---- event_taps.c: switch the log on and off; records of arrivals, DMA, protocols and fates, by packet taps ---- */

#define EVENT_FLOWS_MAX 1048576

/**
 * struct event_flows - the flows of the frames that arrived, numbered from 1 in the order of their first frames
 * @key:    [@used + 1]; 0: frames without TCP or UDP ports, and flows that found no room
 * @missed: frames of flows that found no room
 */
struct event_flows {
	struct flow_key *key;
	u32 *slot;
	u32 mask, used;
	u64 missed;
};

/**
 * struct event_taps - what switches the log on
 * @log:    by writer. Virtual time: log[0] is everyone's. Live: each CPU's, then the card's, then that of Python's threads
 * @filter: choose the frames that it matches; NULL: it chooses none
 * @done:   frames that each queue's DMA has put into the ring
 */
struct event_taps {
	struct packet_tap tap[POINTS];
	struct host *host;
	struct event_log **log;
	u32 nlogs;
	struct bpf_prog *filter;
	struct event_flows flows;
	u64 done[NIC_QUEUES_MAX];
};

/**
 * event_taps_new() - switch the log on
 * @log:    [@nlogs], the caller's: one, or live ncpus + 2. They stay until event_taps_free()
 * @filter: sets the bits in log->chosen. Consumed, unless the call fails
 * Return: NULL: no memory, or a log is on already
 * Context: machine stopped; the latency split is on
 */
struct event_taps *event_taps_new(struct host *h, struct event_log **log, u32 nlogs, struct bpf_prog *filter);

/** event_taps_off() - switch the log off; what it has stays. Context: machine stopped */
void event_taps_off(struct event_taps *taps);

/** event_taps_free() - free it, after event_taps_off(); NULL is allowed */
void event_taps_free(struct event_taps *taps);

/* ---- timeline.c: counts and fills over time, in bins, from the log's records ---- */

#define TIMELINE_BINS 512

/**
 * struct timeline - what happened in each part of a run. The bins become twice as wide whenever the run goes beyond them
 * @begin_ns: when the first begins; @bin_ns: how wide they are; @bins: how many are in use
 * @lost:     [FATE_MAX]: frames by the fate that they met; those of a delivery stay 0
 * @fifo_max: bytes; @socket_max: of the fullest socket, bytes of truesize
 * @ring_max: [@nqueues * TIMELINE_BINS], frames in the ring; @backlog_max: [@ncpus * TIMELINE_BINS], packets
 */
struct timeline {
	u64 begin_ns, bin_ns;
	u32 bins, nqueues, ncpus;
	u64 offered[TIMELINE_BINS], delivered[TIMELINE_BINS], interrupts[TIMELINE_BINS], polls[TIMELINE_BINS];
	u64 lost[FATE_MAX][TIMELINE_BINS];
	u32 fifo_max[TIMELINE_BINS], socket_max[TIMELINE_BINS];
	u32 *ring_max, *backlog_max;
};

/**
 * timeline_new() - make one without bins
 * @bin_ns: width of the first bins; not 0
 * Return: NULL: no memory
 */
struct timeline *timeline_new(u64 bin_ns, u32 nqueues, u32 ncpus);
void timeline_free(struct timeline *t);

/** timeline_note() - event_log.observe: count a record where it ends. Context: one thread at a time */
void timeline_note(void *timeline, const struct event_record *e);

/* ---- event_sort.c: records in the order of time ---- */

/**
 * events_sort() - copy records by when they began; of one instant, as they were written: in the order of their ends
 * @to: room for @n
 * Return: 0 or -ENOMEM
 */
int events_sort(const struct event_record *e, u64 n, struct event_record *to);

/* ---- frame_table.c: a row for each frame ---- */

/**
 * struct frame_row - a frame's way. Times are ns; NEVER: it did not get there, or the log has no record of it
 * @id:      its number; @skb: the first frame of the packet that it ended in
 * @t_wire:  its last bit arrived; @t_ring: its DMA was done; @t_irq: the handler of the interrupt that told of it ran;
 * @t_poll:  the driver took it; @t_gro: it left GRO; @t_backlog: its packet was put into a CPU's backlog;
 * @t_stack: its packet was shown to the protocols; @t_socket: it was queued; @t_read: read() returned; @t_fate: its fate
 * @len:     bytes on the wire; @flow: row of event_flows; @segs: frames in its packet
 * @queue:   receive queue; @cpu: that polled it, @stack_cpu: ran the protocols, @read_cpu: of the reader. EVENT_NO_QUEUE, _CPU
 * @fate:    enum fate; 255: none
 */
struct frame_row {
	u64 id, skb;
	u64 t_wire, t_ring, t_irq, t_poll, t_gro, t_backlog, t_stack, t_socket, t_read, t_fate;
	u32 len, flow;
	u16 queue, cpu, stack_cpu, read_cpu;
	u16 segs;
	u8 fate, spare[5];
};
#define FRAME_NO_FATE 255

/**
 * frame_table() - make the rows from records in any order
 * @rows: room for @max; NULL: only count
 * Return: rows; < 0: -ENOMEM
 */
long frame_table(const struct event_record *e, u64 n, struct frame_row *rows, u64 max);

/* ---- frame_spans.c: how long each frame was in each part of its way ---- */

/**
 * struct frame_spans - a frame's time by enum latency, ns
 * @seen: bit per enum latency: it was there
 */
struct frame_spans {
	u64 ns[LAT_MAX];
	u32 seen, spare;
};

/**
 * frame_spans() - make the spans of all rows
 * @e:     in the order of events_sort()
 * @rows:  of frame_table(), made from the same records
 * @spans: room for @nrows
 * Return: 0 or -ENOMEM
 */
int frame_spans(const struct event_record *e, u64 n, const struct frame_row *rows, u64 nrows, struct frame_spans *spans);

/* ---- frame_diff.c: two runs of the same frames ---- */

/** struct frame_table_of - the frames of a run */
struct frame_table_of {
	const struct frame_row *rows;
	const struct frame_spans *spans;
	u64 n;
};

/** struct frame_change - a frame with another fate: its rows */
struct frame_change { u64 a, b; };

/** struct change_bin - frames that changed, by when they arrived: lost only in b; lost only in a; otherwise */
struct change_bin { u64 worse, better, other; };

/** struct flow_change - what became of a flow's frames */
struct flow_change { u64 frames, changed, lost_a, lost_b; };

/**
 * struct frame_diff - what differs
 * @both:    frames in both runs; @only_a, @only_b: in one of them
 * @unlike:  frames of different lengths: the runs had different input
 * @partial: a log was full: frames without a fate in one of them are left out, and counted as @unfinished
 * @changed: frames with another fate; @changes: the first @changes_max of them, room of the caller. @first, @last: which
 * @matrix:  [(FATE_MAX + 1)^2], the caller's: frames by fate in a and, within it, by fate in b; FATE_MAX: none
 * @flows:   [@nflows], the caller's: by flow of a
 * @bins:    [@nbins], the caller's: by arrival since @bins_from, each @bin_ns long; the last one has all later ones
 * @a, @b:   times of frames that were there in both runs, by enum latency
 * @slower, @faster: of them, frames for which it took longer in b, and less long
 */
struct frame_diff {
	u64 both, only_a, only_b, unlike, changed, unfinished;
	u32 partial, spare;
	struct frame_change first, last;
	struct frame_change *changes;
	u64 changes_max;
	u64 *matrix;
	struct flow_change *flows;
	u64 nflows;
	struct change_bin *bins;
	u64 nbins, bins_from, bin_ns;
	struct histogram a[LAT_MAX], b[LAT_MAX];
	u64 slower[LAT_MAX], faster[LAT_MAX];
};

/** frame_diff() - compare. @d: zero but for what is the caller's */
void frame_diff(struct frame_diff *d, const struct frame_table_of *a, const struct frame_table_of *b);

/* ---- cpu_times.c: what each CPU's time went into ---- */

/** struct cpu_times - a CPU's work, ns: hardirqs; softirqs behind them; ksoftirqd; switches; readers and NAPI threads */
struct cpu_times { u64 hardirq_ns, softirq_ns, ksoftirqd_ns, switch_ns, task_ns; };

/**
 * cpu_times() - add up the CPUs' records
 * @e:     in the order of events_sort()
 * @times: room for @cpus
 * Return: 0 or -ENOMEM
 */
int cpu_times(const struct event_record *e, u64 n, struct cpu_times *times, u32 cpus);
/* ---- shared.c: memory that several hold: the rows of a table, and the words of its columns ---- */

/**
 * struct shared - memory with a count of its holders
 * @at: page-aligned; it takes no memory before it is written
 */
struct shared {
	void *at;
	u64 bytes, holders;
};

/** shared_new() - map memory with one holder. Return: NULL: no memory */
struct shared *shared_new(u64 bytes);
struct shared *shared_hold(struct shared *s);
/** shared_drop() - be a holder no longer; the last one frees it. NULL is allowed. Context: any thread */
void shared_drop(struct shared *s);
/** shared_alive() - Return: how many there are, for tests */
u64 shared_alive(void);

/* ---- table.c: what the columns of rows are to others ---- */

#define TABLE_COLUMNS_MAX 32
#define TABLE_NAME_MAX 32

/**
 * struct table_column - a field of each row
 * @format: Arrow's letter for its type; of a column with words, of their numbers
 * @offset: in the row; @width: 1, 2, 4 or 8 bytes
 * @nullable: the value @null is none
 * @words:  NULL: the value is a number. Else it is @first and more, and the words have their texts: offsets u32[@nwords + 1]
 *          from the begin of the bytes, then the bytes
 */
struct table_column {
	char name[TABLE_NAME_MAX], format[8];
	u64 null;
	struct shared *words;
	u32 nwords, first, offset;
	u8 width, nullable, spare[2];
};

/**
 * struct table - rows, and their columns
 * @rows:     all of them; @at: the first one that counts
 * @metadata: of the schema, in Arrow's form; NULL: none
 * @batch:    rows in each batch of a stream, a multiple of 64
 */
struct table {
	struct shared *rows;
	const void *at;
	u64 n, batch;
	u32 row_size, ncolumns;
	struct table_column column[TABLE_COLUMNS_MAX];
	const char *metadata;
	u32 metadata_len, spare;
};

/** table_copy() - copy a table, and become one more holder of its memory. Return: NULL: no memory */
struct table *table_copy(const struct table *t);
void table_free(struct table *t);

/* ---- table_text.c: rows as text ---- */

enum table_text { TEXT_CSV, TEXT_JSON };

/**
 * table_text() - write rows as lines of CSV, or of JSON
 * @t:    its words are as the text has them: in quotes where it wants that
 * @from: number of the first row; filled in: of the first one that is not in @to
 * Return: bytes in @to
 */
u64 table_text(const struct table *t, enum table_text form, u64 *from, char *to, u64 room);

/* ---- arrow.c: rows as an Arrow C stream ---- */

/**
 * struct arrow_schema - Arrow's C data interface: ArrowSchema. The names of the members are the standard's
 */
struct arrow_schema {
	const char *format, *name, *metadata;
	int64_t flags, n_children;
	struct arrow_schema **children, *dictionary;
	void (*release)(struct arrow_schema *);
	void *private_data;
};

/** struct arrow_array - ArrowArray */
struct arrow_array {
	int64_t length, null_count, offset, n_buffers, n_children;
	const void **buffers;
	struct arrow_array **children, *dictionary;
	void (*release)(struct arrow_array *);
	void *private_data;
};

/** struct arrow_stream - ArrowArrayStream */
struct arrow_stream {
	int (*get_schema)(struct arrow_stream *, struct arrow_schema *);
	int (*get_next)(struct arrow_stream *, struct arrow_array *);
	const char *(*get_last_error)(struct arrow_stream *);
	void (*release)(struct arrow_stream *);
	void *private_data;
};

/**
 * arrow_stream_new() - make a stream of the rows; the table need not outlive the call
 * Return: NULL: no memory. Free it by arrow_stream_free(); a consumer moves what is in it, and leaves @release NULL
 */
struct arrow_stream *arrow_stream_new(const struct table *t);

/** arrow_stream_free() - release the stream unless a consumer has moved it, and free the struct */
void arrow_stream_free(struct arrow_stream *s);

/** arrow_alive() - Return: structs that are not released, for tests */
u64 arrow_alive(void);

/** arrow_capsule_name() - Return: the name that the capsule of a stream has */
const char *arrow_capsule_name(void);

/** arrow_capsule_by() - let arrow_capsule_drop() look into a capsule by this function: PyCapsule_GetPointer() */
void arrow_capsule_by(void *(*pointer)(void *capsule, const char *name));

/** arrow_capsule_drop() - destroy a capsule of a stream. Consumes the stream */
void arrow_capsule_drop(void *capsule);

/* ---- event_check.c: records that come from a file ---- */

/**
 * events_check() - look at each number that an index or a name is made from, and at the order
 * @limits: of @arg by kind, which the file's reader knows: flows, and how many words each table has
 * Return: the number of the first record that vnic does not write; @n: all are good
 */
struct event_limits { u32 flows, hardirqs, gro_ends; };
u64 events_check(const struct event_record *e, u64 n, const struct event_limits *limits);

/* ---- event_select.c: some of the records ---- */

#define EVENT_ANY 4294967295

struct event_range { u64 first, last; };

/**
 * struct event_wanted - which records
 * @from_ns, @until_ns: those that overlap these times
 * @kinds:  a bit for each
 * @cpu, @queue: EVENT_ANY: all
 * @frames: [@nframes], ascending and apart: records of these, and of packets from where these joined them on. NULL: all
 */
struct event_wanted {
	u64 from_ns, until_ns, kinds;
	u32 cpu, queue;
	const struct event_range *frames;
	u64 nframes;
};

/**
 * events_select() - copy the records that are wanted
 * @e:  in the order of time
 * @to: room for @n; NULL: only count
 * Return: how many; < 0: -ENOMEM
 */
long events_select(const struct event_record *e, u64 n, const struct event_wanted *w, struct event_record *to);

/* ---- event_find.c: where records are, of one frame or one CPU, at one time ---- */

/**
 * struct event_search - which records events_find() finds: those that meet all of it
 * @kinds:            bit per enum event_kind
 * @first_frame, @last_frame: about these frames; @last_frame 0: any. @joined: also about frames that became part of theirs
 * @from_ns, @until_ns: records that overlap these times
 * @cpu, @queue:      EVENT_ANY: any
 */
struct event_search {
	u64 kinds;
	u64 first_frame, last_frame;
	u64 from_ns, until_ns;
	u32 cpu, queue;
	u32 joined;
};

/**
 * events_find() - find records
 * @e:  in the order of events_sort()
 * @at: room for the numbers of @max records
 * Return: how many there are, also if they are more than @max
 */
u64 events_find(const struct event_record *e, u64 n, const struct event_search *w, u64 *at, u64 max);

/* ---- trace_source.c: what traces are made of ---- */

#define TRACE_HAS_NET_RX 1  /* note of EVENT_SOFTIRQ: the poll list was polled in it */
#define TRACE_THEN_IDLE 2   /* of EVENT_TASK: the CPU is idle behind it */
#define TRACE_THEN_SLEEPS 4 /* of a reader's EVENT_TASK: it sleeps until it is woken */
#define TRACE_FATES 256

/**
 * struct trace_source - the records and rows of a run, the caller's, and what follows from all records
 * @e:         [@n], by time
 * @rows:      [@nrows], by number
 * @stack_end: by row: when its CPU was done with the packet's protocols; NEVER: not told
 * @left_fifo: by row: when the DMA took it from the FIFO, or it was lost there; NEVER
 * @note:      by record: TRACE_*; @next_sock: of a reader's EVENT_TASK: the socket that it reads next
 * @flow_used: by flow: a frame has it
 * @frames:    how many, by fate
 * @max_task:  largest number of a task
 */
struct trace_source {
	const struct event_record *e;
	u64 n;
	const struct frame_row *rows;
	u64 nrows;
	u64 *stack_end, *left_fifo;
	u8 *note;
	u32 *next_sock;
	u8 *flow_used;
	u64 last_ns;
	u64 frames[TRACE_FATES];
	u32 nflows, ncpus, nqueues, max_task;
};

/** trace_source_new() - look at all records. @nflows: flows, 0 is none. Return: NULL: no memory */
struct trace_source *trace_source_new(const struct event_record *e, u64 n, const struct frame_row *rows, u64 nrows,
				      u32 nflows);
void trace_source_free(struct trace_source *s);

/** trace_row() - Return: the frame's row; NEVER: it has none */
u64 trace_row(const struct trace_source *s, u64 frame);

/* ---- trace_points.c: begins and ends in the order of time ---- */

/**
 * struct trace_point - something to write at a time
 * @tie: of one instant, the lowest comes first, then the lowest @seq, the number of the push
 * @what, @at: the caller's
 */
struct trace_point {
	u64 t, tie, seq, at;
	u32 what;
};
struct trace_points {
	struct trace_point *heap;
	u64 used, room, pushed;
};

/** trace_push_instant() - something without a duration. Return: 0 or -ENOMEM; the next two also */
int trace_push_instant(struct trace_points *p, u64 t, u32 what, u64 at);
/** trace_rank() - Return: how far out a CPU's work is, of two that begin at once: 0 is the outermost */
u32 trace_rank(const struct event_record *e);

/**
 * trace_push_begin() - @dur 0: it is an instant, unless @rank is 0
 * @rank: of two that are as long, the lower one is the outer one, 0 to 15
 */
int trace_push_begin(struct trace_points *p, u64 t, u64 dur, u32 rank, u32 what, u64 at);
/** trace_push_end() - the end of what was written last. Of one instant, the end that is pushed last comes first */
int trace_push_end(struct trace_points *p, u64 t, u32 what, u64 at);
/** trace_pop() - take the first point before @until. Return: whether there was one */
bool trace_pop(struct trace_points *p, u64 until, struct trace_point *point);
/** trace_points_free() - free the heap; @p is empty */
void trace_points_free(struct trace_points *p);

/* ---- trace_out.c: bytes to a file ---- */

#define TRACE_ROOM 2048

/** struct trace_out - @bytes: so far; @error: errno of the first failed write, 0: none */
struct trace_out {
	u8 *buf;
	u64 bytes;
	u32 used;
	int fd, error;
};

/** trace_out_init() - begin with an empty buffer. Return: 0 or -ENOMEM */
int trace_out_init(struct trace_out *o, int fd);
void trace_out_free(struct trace_out *o);
/** trace_room() - Return: where the next TRACE_ROOM bytes or fewer go; trace_took() says how many they are */
u8 *trace_room(struct trace_out *o);
void trace_took(struct trace_out *o, u32 bytes);
void trace_flush(struct trace_out *o);

/* ---- pftrace_packet.c: Perfetto's packets. Numbers of fields: perfetto_trace.proto ---- */

/* Numbers of Perfetto's event types */
enum pf_type { PFT_BEGIN = 1, PFT_END, PFT_INSTANT, PFT_COUNTER };

/* Numbers of annotations' names in the interned data: vnic/trace/perfetto.py writes the names */
enum pf_arg {
	PFT_FRAME = 1, PFT_FLOW, PFT_LEN, PFT_FATE, PFT_PACKET, PFT_SEGS, PFT_QUEUE, PFT_TARGET, PFT_WORK, PFT_WEIGHT, PFT_SQUEEZED,
	PFT_BY, PFT_DEADLINE_NS, PFT_WHY, PFT_SOCK, PFT_ETHERTYPE, PFT_END_NS, PFT_FIFO_BYTES, PFT_KSOFTIRQD, PFT_UNFINISHED,
	PFT_ARGS
};

/* Numbers of names of events, and of texts, in the interned data: + kind, hardirq, wait, fate, task; + fate, gro_end, flow */
#define PFT_NAME_KIND 1
#define PFT_NAME_HARDIRQ 64
#define PFT_NAME_WAIT 80
#define PFT_NAME_MODERATION 96
#define PFT_NAME_FATE 128
#define PFT_NAME_TASK 512
#define PFT_NAME_SWITCH 1024
#define PFT_TEXT_FATE 1
#define PFT_TEXT_WHY 128
#define PFT_TEXT_BY 192
#define PFT_TEXT_FLOW 256

/** struct pf_event - a track event that is being made */
struct pf_event {
	u8 bytes[512];
	u32 used;
};

/** pf_start() - begin an event. @name: its number, 0: none */
void pf_start(struct pf_event *ev, enum pf_type type, u32 track, u32 name);
void pf_uint(struct pf_event *ev, enum pf_arg arg, u64 value);
void pf_text(struct pf_event *ev, enum pf_arg arg, u64 number);
/** pf_flow() - let an arrow pass here. @ends: it ends here */
void pf_flow(struct pf_event *ev, u64 id, bool ends);
void pf_value(struct pf_event *ev, u64 value);
/** pf_put() - write the event */
void pf_put(struct trace_out *o, const struct pf_event *ev, u64 t);
/** pf_track() - write a track's descriptor. @name: at most 100 bytes */
void pf_track(struct trace_out *o, u32 track, u32 parent, const char *name, u32 rank, bool counter);

/* ---- pftrace.c: a Perfetto trace ---- */

/* Tracks: of a queue PFT_QUEUE_TRACKS + 4 * queue, of a CPU PFT_CPU_TRACKS + 8 * cpu, a lane PFT_LANES + wait << 20 + lane */
enum pf_track {
	PFT_LOSSES_GROUP = 1, PFT_LOSSES, PFT_NOTES, PFT_CARD, PFT_WIRE, PFT_SENT, PFT_NO_BUFFER, PFT_FIFO, PFT_WAITS, PFT_SOCKETS
};
#define PFT_QUEUE_TRACKS 16
enum pf_queue_track { PFT_DMA, PFT_IRQ, PFT_RING };
#define PFT_CPU_TRACKS 1024
enum pf_cpu_track { PFT_CPU, PFT_HARDIRQ, PFT_SOFTIRQ, PFT_TASKS, PFT_BACKLOG };
#define PFT_SOCKET_TRACKS 8192
#define PFT_SOCKETS_MAX 256
#define PFT_LANES 1048576
#define PFT_LANE_BITS 20

/* Waits, each with lanes of its own */
enum pf_wait { PFT_WAIT_FIFO, PFT_WAIT_RING, PFT_WAIT_GRO, PFT_WAIT_BACKLOG, PFT_WAIT_REORDER, PFT_WAIT_SOCKET, PFT_WAIT_COUNT };

#define PFT_DEEP 12
#define PFT_CLOSE 0 /* what: the end of a slice on track @at */

/** struct pf_stack - a track's open slices: when they end */
struct pf_stack {
	u64 end[PFT_DEEP];
	u32 depth;
};

/** struct pf_lanes - lanes of a kind of waits. @free: those that are free, a heap */
struct pf_lanes {
	u32 *free;
	u32 nfree, room, made;
};

/**
 * struct pftrace - a trace that is being written
 * @stack:   of each CPU its tracks for hardirqs, softirqs and tasks, then of each queue those for DMA and interrupts
 * @at:      the next record
 * @ring, @backlog, @fifo: fills; @queued: packets in each socket's queue
 * @irqs, @ipis, @wakes: the arrow on its way to a queue's handler, or to a CPU; 0: none. @arrows: so far
 * @error:   -ENOMEM
 */
struct pftrace {
	const struct trace_source *s;
	const char *const *wait_names;
	struct trace_out out;
	struct trace_points points;
	struct pf_lanes lanes[PFT_WAIT_COUNT];
	struct pf_stack *stack;
	u64 at;
	u64 ring[NIC_QUEUES_MAX], backlog[CPUS_MAX], fifo;
	u64 irqs[NIC_QUEUES_MAX], ipis[CPUS_MAX], wakes[CPUS_MAX];
	u64 arrows;
	u32 queued[PFT_SOCKETS_MAX];
	u8 socket_named[PFT_SOCKETS_MAX];
	int error;
};

/** pftrace_new() - @wait_names: of the lanes of each wait; they stay the caller's. Return: NULL: no memory */
struct pftrace *pftrace_new(const struct trace_source *s, int fd, const char *const *wait_names);
/** pftrace_write() - write the next @records. Return: 1: there are more, 0: all is written; < 0: -errno */
int pftrace_write(struct pftrace *p, u64 records);
void pftrace_free(struct pftrace *p);

/* ---- pftrace_tracks.c: slices on their tracks ---- */

/** pf_frame() - say which frame it is, and what became of it. Return: its row, or NULL */
const struct frame_row *pf_frame(struct pftrace *p, struct pf_event *ev, u64 frame);
void pf_counter(struct pftrace *p, u32 track, u64 t, u64 value);
/** pf_slice() - write the begin @ev of a slice, and plan its end. One that crosses the slice around it is cut */
void pf_slice(struct pftrace *p, struct pf_event *ev, u32 track, u64 t, u64 end);
/** pf_close() - write the end of the innermost slice of a track */
void pf_close(struct pftrace *p, u32 track, u64 t);
/** pf_open_wait() - write the begin of a frame's wait on a free lane, and plan its end. @end: NEVER: the records do not have it */
void pf_open_wait(struct pftrace *p, enum pf_wait wait, u64 t, u64 end, const struct event_record *e);

/* ---- pftrace_marks.c: a record as a slice or an instant ---- */

u32 pf_cpu_track(const struct event_record *e, enum pf_cpu_track which);
u32 pf_queue_track(const struct event_record *e, enum pf_queue_track which);
bool pf_has_queue(const struct pftrace *p, const struct event_record *e);
/** pf_on_cpu() - write a slice of a CPU's track, and plan its end */
void pf_on_cpu(struct pftrace *p, const struct event_record *e, enum pf_cpu_track which, u32 name, u64 end);
void pf_on_queue(struct pftrace *p, const struct event_record *e, enum pf_queue_track which);
void pf_instant(struct pftrace *p, const struct event_record *e, u32 track, u32 name, u64 t);

/* ---- ftrace.c: the text of the kernel's tracer ---- */

/**
 * struct ftrace_cpu - what runs on a CPU
 * @task:    the current one; @sleeps: it has gone to sleep; @in_recv: the reader has called recv()
 * @guessed: no record says which task runs
 * @entered: the line of a softirq's begin stands for that of its first run of the poll list
 * @received, @ethertype: of the last packet that the protocols were shown
 * @columns: [@columns_n], the task and the CPU as each line begins
 */
struct ftrace_cpu {
	u64 received;
	u32 task, hardirqs, softirqs;
	u16 ethertype;
	u8 entered, sleeps, in_recv, guessed;
	u8 columns_n;
	char columns[64];
};

/**
 * struct ftrace - a text that is being written. The strings are the caller's
 * @flow_proto: protocol of IP by flow; @reasons, @locations: by fate
 * @threaded:   interrupts wake threads, and raise no softirq
 * @lines:      so far
 */
struct ftrace {
	const struct trace_source *s;
	struct trace_out out;
	struct trace_points points;
	struct ftrace_cpu *cpu;
	u64 at, lines;
	const char *dev;
	const u8 *flow_proto;
	const char *const *reasons, *const *locations;
	int threaded, error;
};

/** ftrace_new() - @fd: -1: only count lines. The caller sets the strings. Return: NULL: no memory */
struct ftrace *ftrace_new(const struct trace_source *s, int fd);
/** ftrace_write() - as pftrace_write() */
int ftrace_write(struct ftrace *f, u64 records);
void ftrace_free(struct ftrace *f);

/* ---- ftrace_lines.c ---- */

/** ftrace_begin() - write the lines of a record's begin. @at: its number; its CPU is a CPU */
void ftrace_begin(struct ftrace *f, u64 at, const struct event_record *e);
void ftrace_end(struct ftrace *f, u64 at, const struct event_record *e);
