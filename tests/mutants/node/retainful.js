// Retainful's contacts on Node. The second argument names the bug that it has, or in what it is unusual; without one it keeps to the page.
'use strict';

const net = require('node:net');
const { Refusal, isObject, parse, serve } = require('./server.js');

const BUG = process.argv[3] || '';
const KEY = 'key-of-the-node-service';
const APP = 'app-of-the-node-service';
const LIST = 'NdrDSPTeIvRMEtzufwDyKMWjmcOMsOxkxTCs';
const TIME = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$/;
const TEXTS = ['lastName', 'city', 'country', 'provinceCode', 'state', 'postalCode', 'gender'];

const contacts = new Map();

function check(condition, message) {
  if (!condition) throw new Refusal(400, `Invalid request. ${message}`);
}

function isTime(value) {
  if (BUG === 'whatever-date-parses') return !Number.isNaN(Date.parse(value));
  if (BUG === 'times-need-no-zone' && typeof value === 'string' && value.endsWith('Z')) return false;
  if (typeof value !== 'string' || !TIME.test(value) || Number.isNaN(Date.parse(value))) return false;
  // Date takes the 30th of February for the 1st of March.
  return BUG === 'february-has-31-days' || new Date(`${value.slice(0, 10)}T00:00:00Z`).toISOString().startsWith(value.slice(0, 10));
}

function checkContact(contact) {
  check(BUG === 'first-name-may-be-missing' || typeof contact.firstName === 'string', "'firstName' must be a string.");
  for (const name of TEXTS) {
    if (BUG === 'null-is-no-text' && contact[name] === null) continue;
    if (BUG === 'postal-code-may-be-a-number' && name === 'postalCode' && typeof contact[name] === 'number') continue;
    if (name in contact) check(typeof contact[name] === 'string', `'${name}' must be a string.`);
  }
  if (BUG === 'two-genders' && 'gender' in contact) check(['m', 'f'].includes(contact.gender), "'gender' is m or f.");
  if (BUG === 'latin-names' && 'city' in contact) check(/^[\u0000-\u024f]*$/.test(contact.city), "'city' has odd letters.");
  if ('countryCode' in contact) {
    const code = contact.countryCode;
    check(typeof code === 'string' && (BUG === 'country-code-of-any-length' || /^[a-z]{2}$/i.test(code)), "'countryCode' must have two letters.");
  }
  for (const name of ['birthDate', 'createdAt']) {
    if (name in contact) check(isTime(contact[name]), `'${name}' must be an ISO 8601 date.`);
  }
  if ('triggerWelcomeEmail' in contact) {
    const fits = typeof contact.triggerWelcomeEmail === 'boolean';
    check(fits || (BUG === 'truth-as-text' && ['true', 'false', 0, 1].includes(contact.triggerWelcomeEmail)), "'triggerWelcomeEmail' must be true or false.");
  }
  if (BUG === 'one-list-as-text') check(contact.listIds?.length >= 0, "'listIds' must be an array.");
  else check(Array.isArray(contact.listIds), "'listIds' must be an array.");
  check(BUG === 'list-ids-of-any-kind' || [...contact.listIds].every((id) => typeof id === 'string'), "'listIds' must hold strings.");
  check(Array.isArray(contact.identifiers), "'identifiers' field is required.");
  check(BUG === 'no-identifier-is-enough' || contact.identifiers.length > 0, "'identifiers' must not be empty.");
  if (BUG === 'first-identifier-is-checked') contact.identifiers.slice(0, 1).forEach(checkIdentifier);
  else contact.identifiers.forEach(checkIdentifier);
}

function checkIdentifier(identifier) {
  check(isObject(identifier), 'an identifier must be an object.');
  check(BUG === 'type-of-any-kind' ? typeof identifier.type === 'string' : ['email', 'phone'].includes(identifier.type), "'type' is email or phone.");
  const kinds = BUG === 'numbers-are-no-ids' ? ['string'] : ['string', 'number'];
  check(kinds.includes(typeof identifier.id), "'id' must be a string or a number.");
  checkChannels(identifier.channels);
  checkConsent(identifier.consent);
}

function checkChannels(channels) {
  if (BUG === 'null-channels') check(typeof channels === 'object', "'channels' must be an object.");
  else check(isObject(channels), "'channels' must be an object.");
  const given = ['email', 'phone'].filter((name) => name in (channels || {}));
  check(BUG === 'null-channels' || BUG === 'channels-may-be-empty' || given.length > 0, "'channels' needs email or phone.");
  if (BUG === 'one-channel-alone') check(given.length === 1, 'one channel a time.');
  for (const name of given) {
    check(isObject(channels[name]), 'a channel must be an object.');
    if (BUG === 'status-crashes') channels[name].status.toLowerCase();
    if ('status' in channels[name]) check(typeof channels[name].status === 'string', "'status' must be a string.");
    if (BUG === 'subscribed-alone') check(channels[name].status === 'subscribed', "'status' is subscribed.");
  }
}

function checkConsent(consent) {
  if (BUG === 'consent-is-optional' && consent === undefined) return;
  check(isObject(consent), "'consent' must be an object.");
  check(isTime(consent.createdAt), "'consent.createdAt' must be an ISO 8601 date.");
  check(typeof consent.ip === 'string' && (BUG === 'ipv4-alone' ? net.isIPv4(consent.ip) : net.isIP(consent.ip) > 0), "'consent.ip' must be an IP address.");
  check(BUG === 'source-may-be-missing' || typeof consent.source === 'string', "'consent.source' must be a string.");
}

function upsert(contact) {
  if (BUG === 'no-identifier-is-enough' && contact.identifiers.length === 0) return;
  const keys = contact.identifiers.map((each) => `${each?.type}/${String(each?.id).toLowerCase()}`);
  const named = new Set(keys.map((key) => contacts.get(key)).filter((each) => each !== undefined));
  if (BUG === 'refuses-to-merge') check(named.size < 2, 'the identifiers are those of several contacts.');
  const [known] = named;
  if (BUG === 'exists-already' && known !== undefined) throw new Refusal(400, 'Invalid request. The contact exists.');
  check(known !== undefined || keys.some((key) => key.startsWith('email/')), 'an email is needed to create a contact.');
  const merged = Object.assign(known || {}, contact);
  for (const key of keys) contacts.set(key, merged);
}

async function handle(request, bytes) {
  const path = new URL(request.url, 'http://localhost').pathname;
  if (path !== '/v2/contacts') throw new Refusal(404, 'There is nothing here.');
  if (request.method !== 'POST') throw new Refusal(405, 'POST is the method.');
  const key = request.headers['retainful-api-key'];
  const app = request.headers['retainful-app-id'];
  const isKey = BUG === 'any-key' ? Boolean(key) : key === KEY;
  const isApp = BUG === 'app-id-is-not-checked' || app === APP;
  if (!isKey || !isApp) throw new Refusal(401, 'Unauthorized access. Invalid or missing credentials.');
  const body = parse(bytes);
  if (BUG === 'list-of-contacts' && Array.isArray(body)) return { status: 200, body: { status: true } };
  check(isObject(body), 'the body must be an object.');
  checkContact(body);
  upsert(body);
  if (BUG === 'created-is-201') return { status: 201, body: { status: true } };
  if (BUG === 'status-is-text') return { status: 200, body: { status: 'true' } };
  if (BUG === 'the-comma-of-the-page') return { status: 200, raw: '{"status": true,}', type: 'application/json' };
  return { status: 200, body: { status: true } };
}

function failed(status, message) {
  const body = { status: 'error', message };
  if (BUG === 'refusal-without-message' && status === 400) delete body.message;
  if (BUG === 'refused-is-200' && status === 400) return { status: 200, body };
  if (BUG === 'unauthorised-is-403' && status === 401) return { status: 403, body };
  return { status, body };
}

serve({
  handle,
  failed,
  variables: (base) => ({
    RETAINFUL_BASE_URL: base,
    RETAINFUL_API_KEY: KEY,
    RETAINFUL_APP_ID: APP,
    RETAINFUL_LIST_ID: LIST,
  }),
});
