// `node requests.js URL RATE KEYS`: so many requests a second with a key each, of which some are asked for often and most
// seldom.
'use strict';
const http = require('node:http');
const [url, rate, keys] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
setInterval(() => {
  const key = Math.floor(Number(keys) * Math.random() ** 2);
  http.get(`${url}/?key=${key}`, { agent }, (response) => response.resume()).on('error', () => {});
}, 1000 / Number(rate));
