// The list of all scenes: Enter goes on.
"use strict";

addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.target.closest("a, button, input")) return;
  const onwards = document.getElementById("onwards");
  if (onwards) onwards.click();
});
