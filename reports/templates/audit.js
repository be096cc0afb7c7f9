"use strict";
// Shows the findings that the form selects. Without this script, the page shows all of them.
const form = document.querySelector(".filter");
if (form) {
  const findings = [...document.querySelectorAll("article.finding")].map((article) => [article, article.textContent.toLowerCase()]);
  const apply = () => {
    const words = form.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const severities = [...form.querySelectorAll("[name=severity]:checked")].map((box) => box.value);
    let shown = 0;
    for (const [article, text] of findings) {
      const { rule, host, severity } = article.dataset;
      const chosen = (value, name) => !form.elements[name].value || form.elements[name].value === value;
      article.hidden = !(severities.includes(severity) && chosen(rule, "rule") && chosen(host, "host") && words.every((word) => text.includes(word)));
      shown += article.hidden ? 0 : 1;
    }
    form.querySelector("output").textContent = `${shown} of ${findings.length} shown`;
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  apply();
}
