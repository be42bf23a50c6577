import { type ErrorHelps, RACE_TODO, STOP_TODO } from './entry.ts'

export const PROGRAM_ERRORS: ErrorHelps = {
  USAGE: {
    what: 'The command line is wrong; nothing was done (exit status 2).',
    why: 'An unknown command or flag, or an argument that is missing.',
    todo: '`koji-staging-sync help COMMAND` shows how it is used.',
  },
  INTERNAL: {
    what: 'Something failed that was not foreseen. For a key it counts against that key, else the process ends with 1.',
    why: 'A mistake in the program.',
    todo: 'Report it with the output of --debug. A restart is safe: marks and claims are in the database.',
  },
  OUTAGE: {
    what: 'A part of the world was down for longer than a command waits.',
    why: 'See the part that is named.',
    todo: '`doctor` looks at all of them. The keys stay marked.',
  },
  HTTP_LISTEN: {
    what: 'The address of http.listen cannot be listened on; the daemon did not start.',
    why: 'Another process has the port, or the address is not one of this host.',
    todo: 'Set http.listen to a free one, or to "off". Several instances on one host each need their own.',
  },
  NOTIFY_FAILED: {
    what: 'The service manager (systemd) cannot be told how the daemon goes; it works all the same.',
    why: 'NOTIFY_SOCKET names a socket that is not there or not ours to write, or the native part for this platform is not installed.',
    todo: 'A unit of Type=notify needs it: see NotifyAccess in the unit, reinstall the package with its optional dependencies, or set Type=exec and no WatchdogSec.',
  },
  CONFIG_RELOADED: {
    what: 'Work was ended in order because the configuration was read again and has changed; it begins anew at once.',
    why: 'Somebody reloaded the service (SIGHUP).',
    todo: STOP_TODO,
  },
  DAEMON_JOINING: {
    what: 'Another daemon was joining at the same moment.',
    why: 'Two were started at once.',
    todo: RACE_TODO,
  },
  INPUT_UNREADABLE: {
    what: 'The file of messages for `verify-message` cannot be read.',
    why: 'The path is wrong, or not readable.',
    todo: 'Mend the path.',
  },
  PATTERN_INVALID: {
    what: 'A shell pattern is not well-formed.',
    why: 'An open bracket, or a range the wrong way round.',
    todo: 'Mend the pattern; the text says what is wrong.',
  },
  TIME_INVALID: {
    what: 'A time is not well-formed.',
    why: 'A typing error; one looks like 2026-01-31T04:05 (UTC).',
    todo: 'Mend it.',
  },
}
