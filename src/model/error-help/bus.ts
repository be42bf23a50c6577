import { BUG_TODO, type ErrorHelps, STOP_TODO } from './entry.ts'

export const BUS_ERRORS: ErrorHelps = {
  BUS_RECEIVE: {
    what: 'Reading from the bus failed; the daemon ends and is started anew, and catch-up finds what was sent meanwhile.',
    why: 'The socket broke in a way that ZeroMQ does not mend by itself.',
    todo: 'See the text of the error, and whether the endpoints can be reached.',
  },
  BUS_TRUST: {
    what: 'The CA or the revocation list that messages are checked against cannot be read. The last good one stays in use.',
    why: 'Its address does not answer, the file is gone, or it is no PEM.',
    todo: '`doctor` shows which. Messages are refused once the revocation list has expired; catch-up finds what they told.',
  },
  BUS_DATAGREPPER: {
    what: 'Missed messages cannot be read from bus.datagrepper.url; the bus goes on, and catch-up finds what they told.',
    why: 'It does not answer, answers something else, or cannot search a minute of messages in time.',
    todo: 'See the text, and whether the address is that of its raw search. Nothing else waits for it.',
  },
  BUS_STOPPED: {
    what: 'The daemon was stopped while received messages could not be marked.',
    why: "Staging's database did not answer during the shutdown.",
    todo: 'Nothing: catch-up finds what they told at the next start.',
  },
  BUS_STARTED: {
    what: 'The bus was started twice.',
    why: 'A mistake in the program.',
    todo: BUG_TODO,
  },
  BUS_NOT_READY: {
    what: 'The bus was read before it was started, or twice.',
    why: 'A mistake in the program.',
    todo: BUG_TODO,
  },
  STOPPED_BY_SIGNAL: {
    what: 'SIGTERM or SIGINT came; the exit status is 0.',
    why: 'Somebody stopped the service or the command.',
    todo: STOP_TODO,
  },
}
