// Pristo's contacts on Node. The second argument names the bug that it has, or in what it is unusual; without one it keeps to the page.
'use strict';

const { randomUUID } = require('node:crypto');
const { Refusal, UUID, isObject, parse, serve } = require('./server.js');

const BUG = process.argv[3] || '';
const KEY = '3f0c5f6e-9a1b-4c8d-8e2f-1a2b3c4d5e6f';
const POPULATIONS = ['7b1d9c52-40f3-4f0a-9f6a-6d2f0e1c8a01', '7b1d9c52-40f3-4f0a-9f6a-6d2f0e1c8a02'];
const CUSTOM_FIELDS = ['tier', 'city'];
const FIELDS = ['id', 'email', 'phone', 'language', 'name', 'lastName', 'customFields'];
const EMAIL = /^[^\s@<>()[\],;:"\\]+@[^\s@.]+(\.[^\s@.]+)+$/;
const LIMIT = 255;

const contacts = new Map();

function length(text) {
  return BUG === 'limit-counts-code-units' ? text.length : [...text].length;
}

function check(condition, message) {
  if (!condition) throw new Refusal(400, message);
}

function validate(contact) {
  check(isObject(contact), 'contact must be an object');
  const uuid = BUG === 'id-pattern-has-no-end' ? new RegExp(UUID.source.slice(0, -1), 'i') : UUID;
  check(typeof contact.id === 'string' && uuid.test(contact.id), 'contact.id must be a UUID');
  for (const name of Object.keys(contact)) check(FIELDS.includes(name), `contact.${name} is unknown`);
  for (const name of ['email', 'phone', 'language', 'name', 'lastName']) {
    if (BUG === 'null-is-taken-for-missing' && contact[name] === null) continue;
    if (BUG === 'numbers-become-text' && typeof contact[name] === 'number') contact[name] = String(contact[name]);
    if (name in contact) check(typeof contact[name] === 'string', `contact.${name} must be a string`);
  }
  if (typeof contact.email === 'string' && BUG !== 'any-email') check(EMAIL.test(contact.email), 'contact.email must be an e-mail address');
  if (typeof contact.language === 'string') {
    check(/^[a-z]{2}$/i.test(contact.language), 'contact.language must be an ISO 639-1 code');
    if (BUG === 'language-needs-a-name') {
      const name = new Intl.DisplayNames(['en'], { type: 'language' }).of(contact.language);
      check(name !== contact.language && !['iw', 'he', 'yi', 'id'].includes(contact.language), 'contact.language is unknown');
    }
  }
  if ('customFields' in contact) {
    const custom = contact.customFields;
    if (BUG === 'custom-fields-may-be-null' && custom === null) return;
    check(isObject(custom), 'contact.customFields must be an object');
    for (const [name, value] of Object.entries(custom)) {
      check(CUSTOM_FIELDS.includes(name), 'this custom field is not defined');
      check(typeof value === 'string' || BUG === 'custom-values-of-any-kind', 'a custom field must be a string');
      check(BUG === 'no-limit' || length(value) <= LIMIT, `a custom field has at most ${LIMIT} characters`);
    }
  }
}

function stored(contact) {
  const kept = structuredClone(contact);
  const texts = ['email', 'phone', 'name', 'lastName'].filter((name) => typeof kept[name] === 'string');
  for (const name of texts) {
    if (BUG === 'text-is-composed') kept[name] = kept[name].normalize('NFC');
    if (BUG === 'text-in-latin-1') kept[name] = Buffer.from(kept[name], 'latin1').toString('latin1');
    if (BUG === 'text-is-escaped') kept[name] = kept[name].replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/'/g, '&#39;');
    if (BUG === 'text-without-astral-letters') kept[name] = kept[name].replace(/[\u{10000}-\u{10FFFF}]/gu, '?');
  }
  if (BUG === 'email-in-small-letters' && kept.email) kept.email = kept.email.toLowerCase();
  if (BUG === 'phone-is-a-number' && /^\+?\d+$/.test(kept.phone || '')) kept.phone = String(Number(kept.phone));
  return kept;
}

function keyOf(population, contact) {
  const id = BUG === 'ids-by-letter-case' ? contact.id : contact.id.toLowerCase();
  if (BUG === 'populations-share-contacts') return id;
  if (BUG === 'email-identifies') {
    for (const [key, other] of contacts) if (contact.email && other.email === contact.email && key.startsWith(population)) return key;
  }
  return `${population}/${id}`;
}

function merge(before, contact) {
  if (BUG === 'update-replaces-the-contact') return { ...contact };
  const merged = { ...before };
  for (const [name, value] of Object.entries(contact)) {
    if (BUG === 'empty-text-is-not-written' && !value) continue;
    if (BUG === 'language-is-never-updated' && name === 'language' && before?.language) continue;
    merged[name] = value;
  }
  if (before?.customFields && contact.customFields) {
    merged.customFields = { ...before.customFields, ...contact.customFields };
  }
  merged.id = before ? before.id : contact.id;
  return merged;
}

async function handle(request, bytes) {
  const key = request.headers['x-api-key'];
  const path = new URL(request.url, 'http://localhost').pathname;
  const population = /^\/v1\/contacts\/save\/([^/]*)$/.exec(path)?.[1];
  if (population === undefined) throw new Refusal(404, 'There is nothing here.');
  if (request.method !== 'POST') throw new Refusal(405, 'POST is the method.');
  const accepted = BUG === 'beginning-of-a-key-is-enough' ? (key || '') !== '' && KEY.startsWith(key.slice(0, 8)) : key === KEY;
  if (!accepted && !(BUG === 'key-may-be-absent' && key === undefined)) throw new Refusal(401, 'The API key is missing or invalid.');
  check(UUID.test(population), 'populationId must be a UUID');
  check(POPULATIONS.includes(population.toLowerCase()), 'this population does not exist');
  const asked = request.headers['x-request-id'];
  if (BUG !== 'any-request-id') check(asked === undefined || UUID.test(asked), 'X-Request-Id must be a UUID');
  const body = parse(bytes);
  if (BUG === 'null-body-crashes') check('contact' in body, 'contact is missing');
  check(isObject(body), 'the body must be an object');
  if (BUG === 'writes-before-it-checks' && isObject(body.contact) && typeof body.contact.id === 'string' && UUID.test(body.contact.id)) {
    const early = keyOf(population.toLowerCase(), body.contact);
    if (contacts.has(early) && typeof body.contact.name === 'string') contacts.get(early).name = body.contact.name;
  }
  validate(body.contact);
  const name = keyOf(population.toLowerCase(), body.contact);
  const before = contacts.get(name);
  if (BUG === 'reads-then-writes-later') await new Promise((resolve) => { setTimeout(resolve, 30); });
  const contact = merge(before, stored(body.contact));
  contacts.set(name, contact);
  let status = before ? 200 : 201;
  if (BUG === 'always-200') status = 200;
  if (BUG === 'always-201') status = 201;
  const requestId = BUG === 'request-id-of-its-own' ? randomUUID() : asked || randomUUID();
  const shown = BUG === 'shows-what-was-given' ? body.contact : contact;
  return { status, body: { contact: BUG === 'response-without-id' ? { ...shown, id: undefined, _id: shown.id } : shown }, headers: { 'X-Request-Id': requestId } };
}

function failed(status, message) {
  const error = { code: { 400: 'VALIDATION_ERROR', 401: 'UNAUTHORIZED' }[status] || 'ERROR', message };
  if (BUG === 'error-is-text' && status === 400) return { status, body: { error: message } };
  if (BUG === 'code-is-a-number' && status === 401) return { status, body: { error: { code: 401, message } } };
  if (BUG === 'unauthorised-in-plain-text' && status === 401) return { status, raw: 'Unauthorized', type: 'text/plain' };
  if (BUG === 'invalid-is-422' && status === 400) return { status: 422, body: { error } };
  return { status, body: { error } };
}

serve({
  handle,
  failed,
  variables: (base) => ({
    PRISTO_BASE_URL: base,
    PRISTO_API_KEY: KEY,
    PRISTO_POPULATION_ID: POPULATIONS[0],
    PRISTO_SECOND_POPULATION_ID: POPULATIONS[1],
    PRISTO_CUSTOM_FIELDS: CUSTOM_FIELDS.join(','),
  }),
});
