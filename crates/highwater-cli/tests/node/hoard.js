// Run as: node --heap-prof --heap-prof-interval=131072 --heap-prof-name=node.heapprofile hoard.js
// node.heapprofile beside it is what Node 20.20.2 wrote.
// Holds memory in two functions, so that the profile has a tree with more than one branch.
globalThis.held = [];
function hoard(count) { for (let i = 0; i < count; i++) held.push(new Array(1000).fill(i)); }
function keep(count) { for (let i = 0; i < count; i++) held.push({ i, text: String(i).repeat(50) }); }
hoard(200);
keep(2000);
