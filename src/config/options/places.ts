import { z } from 'zod'
import {
  absolutePath,
  databaseUrl,
  endpoint,
  fileOrUrl,
  httpUrl,
  integer,
  plainText,
  seconds,
  topicPrefix,
  treePath,
  volumeName,
} from '../field-types.ts'
import { option, required, type Section, unset } from '../option.ts'

/** Prod, staging, and the bus between them: where they are, and how they are asked. */
export const PLACES = {
  prod: {
    hub: required({
      type: httpUrl,
      example: 'https://koji.example.org/kojihub',
      help: "XML-RPC address of prod's hub. It is read anonymously and never written.",
    }),
    topdir: unset({
      type: treePath,
      example: '/mnt/prod-koji',
      help: "prod's file tree as this service sees it: a read-only mount. Placement `volume` needs it.",
    }),
    topurl: unset({
      type: httpUrl,
      example: 'https://kojipkgs.example.org',
      help: "Address of prod's package server (Koji's `topurl`). Placements `copy` and `in-place` fetch files from it where prod.topdir is not set.",
    }),
    link_target: unset({
      type: treePath,
      example: '/mnt/prod-koji',
      help: "prod's file tree as staging's hub, builders, web server and composers see it: what links point to.",
    }),
    ca_file: unset({
      type: absolutePath,
      example: '/etc/pki/tls/certs/prod-ca.pem',
      help: "CA certificates (PEM) that prod's hub is checked against; not set: those of the system.",
    }),
    requests_per_second: option(20, {
      type: z.number().min(0.1).max(10_000),
      help: 'Requests a second to prod at most, for everything together. Live work goes first.',
    }),
    concurrency: option(4, {
      type: integer({ min: 1, max: 64 }),
      help: 'Requests to prod at a time; from 2 on, one of them is for live work alone.',
    }),
    timeout_seconds: option(60, {
      type: seconds({ min: 0.1, max: 3600 }),
      help: 'How long prod may take to answer a request.',
    }),
    history_timeout_seconds: option(300, {
      type: seconds({ min: 0.1, max: 3600 }),
      help: "The same for catch-up's and reconcile's requests that read prod's history, for which its hub reads whole tables. Never less than timeout_seconds.",
    }),
    volumes: option<Record<string, string>>(
      { DEFAULT: 'prod' },
      {
        type: z.record(volumeName, volumeName),
        help: "Staging's volume for each of prod's volumes, by name.",
      },
    ),
    allow_writable_mount: option(false, {
      type: z.boolean(),
      help: "Start although prod.topdir can be written to. For tests; then nothing but our care protects prod's files.",
    }),
  },
  staging: {
    database: required({
      type: databaseUrl,
      example: 'postgresql://koji-staging-sync@db.stg.example.org:5432/koji',
      secret: true,
      help: "Address of staging's Koji database. Better without a password: see database_password_file.",
    }),
    database_password_file: unset({
      type: absolutePath,
      example: '/etc/koji-staging-sync/database_password',
      help: "File whose first line is the database's password; not set: the systemd credential `database_password`, if there is one.",
    }),
    ca_file: unset({
      type: absolutePath,
      example: '/etc/pki/tls/certs/stg-db-ca.pem',
      help: "CA certificates (PEM) that the database's server is checked against, with the name in its address (PostgreSQL's `verify-full`). Not set: what `sslmode` in the address says.",
    }),
    hub: unset({
      type: httpUrl,
      example: 'https://koji.stg.example.org/kojihub',
      help: "XML-RPC address of staging's hub. Only to refuse a mix-up with prod, and for `doctor`.",
    }),
    topdir: required({
      type: treePath,
      example: '/mnt/koji',
      help: "Staging's file tree, writable. Never inside of prod's.",
    }),
    user: option('koji-staging-sync', {
      type: plainText,
      form: 'text',
      help: 'Koji user that rows are created by. `init` makes it: blocked, without a password.',
    }),
    id_floor: option(1_000_000_000, {
      type: integer({ min: 1, max: 2_000_000_000 }),
      help: "Ids that staging gives out itself start above this, so that prod's ids stay free for prod's rows.",
    }),
    pool_size: option(12, {
      type: integer({ min: 4, max: 200 }),
      help: 'Connections to the database. A key that is converged holds one for some milliseconds.',
    }),
  },
  'bus.fedmsg': {
    endpoints: option<string[]>([], {
      type: z.array(endpoint),
      form: 'list',
      help: 'ZeroMQ publishers to subscribe to (tcp://host:port). Empty: no bus, changes are found by catch-up alone.',
    }),
    topic_prefix: option('org.fedoraproject.prod.buildsys.', {
      type: topicPrefix,
      form: 'text',
      help: "The start of the topics of prod's messages.",
    }),
    instance: option('primary', {
      type: plainText,
      form: 'text',
      help: 'Messages of another Koji instance are refused.',
    }),
    base_url: unset({
      type: httpUrl,
      example: 'https://koji.example.org',
      help: 'Messages that name another base_url are refused; not set: it is not looked at.',
    }),
    validate_signatures: option(true, {
      type: z.boolean(),
      help: 'Only messages that were signed by who may send them count. false takes every message from everybody.',
    }),
    ca: unset({
      type: fileOrUrl,
      example: 'https://fedoraproject.org/fedmsg/ca.crt',
      help: 'The CA that messages are checked against: a PEM file or its address, of which the first certificate counts. Read again when it changes. Must be given while signatures are checked.',
    }),
    crl: unset({
      type: fileOrUrl,
      example: 'https://fedoraproject.org/fedmsg/crl.pem',
      help: "The CA's revocation list (PEM file or address). When it has expired, no message counts. Not set: nobody is revoked.",
    }),
    policy_file: unset({
      type: absolutePath,
      example: '/etc/koji-staging-sync/routing_policy.json',
      help: 'JSON file of who may send what: {"topic": ["common name", ...]}. Read at the start. Not set: everybody whom the CA knows may send everything.',
    }),
    nitpicky: option(false, {
      type: z.boolean(),
      help: 'Topics that policy_file does not list are for nobody, instead of for everybody.',
    }),
    backends: option<'x509'[]>(['x509'], {
      type: z.array(z.enum(['x509'])).min(1),
      form: 'list',
      help: 'The kinds of signatures that count. x509 is the only one that is supported.',
    }),
    silence_timeout_seconds: option(600, {
      type: seconds({ min: 1 }),
      help: 'After this long without any message the connection is opened anew.',
    }),
  },
  'bus.datagrepper': {
    url: unset({
      type: httpUrl,
      example: 'https://apps.fedoraproject.org/datagrepper/raw',
      help: 'Where messages that were missed are looked for too, whenever the bus is connected anew: a search address of datagrepper. Not set: only catch-up looks.',
    }),
    lookback_seconds: option(21_600, {
      type: seconds({ min: 60, max: 604_800 }),
      help: 'How far back a look goes at most, and the first one after a start does.',
    }),
    validate_signatures: option(true, {
      type: z.boolean(),
      help: 'Only messages whose signatures bus.fedmsg would accept count. false trusts the server, by TLS: messages that came from fedora-messaging bear no signature.',
    }),
  },
} as const satisfies Readonly<Record<string, Section>>
