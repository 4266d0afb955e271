{# `relationships` for rows older than `settling_time`: each table has a topic of its own, so a child may be stored
   before its parent. #}
{% test settled_reference(model, column_name, to, field) %}
select child.{{ column_name }}
from {{ model }} as child
left join {{ to }} as parent on parent.{{ field }} = child.{{ column_name }}
where child.{{ column_name }} is not null
  and parent.{{ field }} is null
  and child.committed_at < now() - interval '{{ var("settling_time") }}'
{% endtest %}
